import type { OpAttributes } from './ops/attributes.ts';
import type { Shape } from './shape.ts';
import type { Tensor } from './tensor.ts';

/** `float` is the backend's own floating-point type; `int32` holds indices (a backend may store them as it likes). */
export type DType = 'float' | 'int32';

/** A tensor but for its numbers. */
export interface TensorSpec {
  readonly shape: Shape;
  readonly dtype: DType;
}

/** A backend's own name for a buffer: an array, a pointer, a GPU buffer. Row-major, contiguous, never shared by two tensors that are written. */
export type Handle = unknown;

/**
 * Computes one operation. Shapes were checked and `outputs` inferred before the call; absent optional inputs are `undefined`.
 * Returns one handle an output. It runs at once or queues: it must be cheap, must not wait, and may throw only typed errors.
 * Handles that it returns become owned by the new tensors; an input's own handle may be returned only by operations
 * documented to update in place.
 */
export type Kernel<A> = (
  inputs: readonly (Tensor | undefined)[],
  attributes: A,
  outputs: readonly TensorSpec[],
) => Handle[];

/** Kernels by operation name. A missing kernel is composed of other operations where the operation says how. */
export type KernelTable = { readonly [K in keyof OpAttributes]?: Kernel<OpAttributes[K]> };

/** What a backend cannot go over. */
export interface BackendLimits {
  /** Most elements that one tensor may hold. */
  readonly maxElements: number;
}

/** What a backend holds now. Bytes. */
export interface BackendMemory {
  /** Live buffers and their bytes. */
  readonly buffers: number;
  readonly bytes: number;
  /** Bytes kept for reuse by later operations. */
  readonly pooledBytes: number;
}

/** Numbers on the host, in the type that a backend computes in. */
export type FloatArray = Float32Array | Float64Array;

/**
 * A place that computes. Implement `kernels` for the core operations (see FEATURES.md) and every layer, model and training
 * loop of linattn runs on it; implement the fused ones and they run fast.
 */
export interface Backend {
  readonly name: string;
  /** What `float` tensors are computed in. */
  readonly dtype: 'float32' | 'float64';
  readonly limits: BackendLimits;
  readonly kernels: KernelTable;
  /** Copies host numbers in. Values were checked against the spec. */
  upload(values: ArrayLike<number>, spec: TensorSpec): Handle;
  /** Waits for the work queued so far, then copies out. The only way results, and errors of queued work, reach the host. */
  download(handle: Handle, spec: TensorSpec): Promise<FloatArray | Int32Array>;
  /**
   * Copies out at once. Only where kernels have done their work when they return; it lets frameworks that differentiate
   * synchronously call this backend (`@linattn/math/host`).
   */
  downloadSync?(handle: Handle, spec: TensorSpec): FloatArray | Int32Array;
  /**
   * A copy of a float tensor that is stored in float16 and taken by operations like any other: half the memory, for weights at inference.
   * Only where a backend has such storage; it says how it rounds and what it does not take.
   */
  toFloat16?(x: Tensor): Tensor;
  /** Gives a buffer back (to a pool, usually). Never called twice for one handle. */
  release(handle: Handle): void;
  /** What is held now. Bytes. */
  memory(): BackendMemory;
  /** Frees everything: buffers, kernels, workers, devices that the backend itself opened. */
  dispose(): Promise<void>;
}
