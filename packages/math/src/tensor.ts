import type { Backend, DType, FloatArray, Handle, TensorSpec } from './backend.ts';
import { flushChecks } from './checks.ts';
import { LimitError, NonFiniteError, ShapeError, TensorUseError, ValueError } from './errors.ts';
import { register, unscoped } from './scope.ts';
import { checkExtents, type Shape, sizeOf } from './shape.ts';

/** A buffer counted by the tensors that show it. */
interface Storage {
  readonly handle: Handle;
  references: number;
}

let nextId = 0;

/**
 * A shape over a backend-owned buffer. Immutable but for `assign`. It lives until `dispose()`, or until the `scope` that it
 * was made in ends.
 */
export class Tensor implements TensorSpec {
  /** Identity on a tape. */
  readonly id: number = nextId++;
  readonly backend: Backend;
  readonly shape: Shape;
  readonly dtype: DType;
  #storage: Storage | undefined;

  private constructor(backend: Backend, spec: TensorSpec, storage: Storage) {
    this.backend = backend;
    this.shape = spec.shape;
    this.dtype = spec.dtype;
    this.#storage = storage;
    register(this);
  }

  /** Wraps a handle that a kernel has just made: the tensor owns it. */
  static own(backend: Backend, spec: TensorSpec, handle: Handle): Tensor {
    return new Tensor(backend, spec, { handle, references: 1 });
  }

  /** Another tensor over the same buffer, with its own life, and another shape of the same size where one is given. */
  view(shape: Shape = this.shape): Tensor {
    const storage = this.#live();
    storage.references++;
    return new Tensor(this.backend, { shape, dtype: this.dtype }, storage);
  }

  get size(): number {
    return sizeOf(this.shape);
  }

  get rank(): number {
    return this.shape.length;
  }

  get disposed(): boolean {
    return this.#storage === undefined;
  }

  /** The backend's buffer, for kernels. */
  get handle(): Handle {
    return this.#live().handle;
  }

  /** True when both show the same buffer. */
  sharesStorage(other: Tensor): boolean {
    return this.#live() === other.#live();
  }

  /** Copies the numbers to the host, after all work queued before. Fails with any deferred check that failed. */
  async read(): Promise<FloatArray | Int32Array> {
    // Asked for at once, so that later updates in place do not show; held outside all scopes, so that it may outlive them.
    const kept = unscoped(() => this.view());
    try {
      const download = async () => this.backend.download(kept.handle, kept);
      const [checks, values] = await Promise.allSettled([flushChecks(this.backend), download()]);
      if (checks.status === 'rejected') throw checks.reason;
      if (values.status === 'rejected') throw values.reason;
      return values.value;
    } finally {
      kept.dispose();
    }
  }

  /** The one number of a scalar or single-element tensor. */
  async item(): Promise<number> {
    if (this.size !== 1) throw new ShapeError('item', this.shape, 'a single element');
    return (await this.read())[0];
  }

  /** Gives the buffer back. Further use throws; a second dispose() does nothing. */
  dispose(): void {
    const storage = this.#storage;
    if (!storage) return;
    this.#storage = undefined;
    if (--storage.references === 0) this.backend.release(storage.handle);
  }

  /** Takes over another tensor's buffer (same backend, shape and dtype): how parameters are updated. `next` is disposed. */
  assign(next: Tensor): void {
    if (next === this) return;
    if (next.backend !== this.backend || next.dtype !== this.dtype || next.size !== this.size) {
      throw new TensorUseError('assign: the new value has another backend, dtype or size', 'next');
    }
    const storage = next.#live();
    storage.references++;
    next.dispose();
    this.dispose();
    this.#storage = storage;
  }

  #live(): Storage {
    if (!this.#storage) throw new TensorUseError(`tensor [${this.shape.join(', ')}] was used after it was disposed`);
    return this.#storage;
  }
}

/** @throws LimitError when a tensor of `shape` is over the backend's largest. */
export function checkLimit(argument: string, shape: Shape, { name, limits }: Backend): void {
  const size = sizeOf(shape);
  if (size > limits.maxElements) {
    throw new LimitError(argument, size, `${name}'s largest tensor, in elements`, limits.maxElements);
  }
}

/** Where uploaded numbers may come from. */
export type NumberSource = ArrayLike<number>;

/**
 * Copies numbers to a backend.
 * @param shape positive extents whose product is `values.length`; `[]` for a scalar.
 * @throws ShapeError, LimitError, NonFiniteError (naming `name`; also for numbers that overflow a float32 backend), ValueError for
 * indices that are no 32-bit integers.
 */
export function tensor(
  backend: Backend,
  values: NumberSource | number,
  shape: Shape = typeof values === 'number' ? [] : [values.length],
  options: { readonly dtype?: DType; readonly name?: string } = {},
): Tensor {
  const { dtype = 'float', name = 'values' } = options;
  const source = typeof values === 'number' ? [values] : values;
  checkExtents(name, shape);
  if (source.length !== sizeOf(shape)) throw new ShapeError(name, `${source.length} numbers`, `[${shape.join(', ')}]`);
  checkLimit(name, shape, backend);
  const stored = dtype === 'float' && backend.dtype === 'float32' ? Math.fround : Number;
  for (let i = 0; i < source.length; i++) {
    if (!Number.isFinite(stored(source[i]))) throw new NonFiniteError(name, source[i], i);
    if (dtype === 'int32' && (source[i] | 0) !== source[i])
      throw new ValueError(`${name}[${i}]`, source[i], 'a 32-bit integer');
  }
  const spec = { shape: [...shape], dtype };
  return Tensor.own(backend, spec, backend.upload(source, spec));
}

/** Indices (token ids, targets) on a backend. */
export const indices = (backend: Backend, values: NumberSource, shape?: Shape, name = 'indices'): Tensor =>
  tensor(backend, values, shape, { dtype: 'int32', name });
