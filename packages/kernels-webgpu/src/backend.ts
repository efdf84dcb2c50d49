import {
  type Backend,
  type Handle,
  type Kernel,
  type KernelTable,
  type Shape,
  ShapeError,
  sizeOf,
  Tensor,
  type TensorSpec,
  TensorUseError,
  ValueError,
} from '@linattn/math';
import { linearAttentionBackward } from './attention/backward.ts';
import { linearAttention } from './attention/forward.ts';
import { toFloat16, toFloat32 } from './core/float16.ts';
import { coreKernels } from './core/kernels.ts';
import { type OpenOptions, onVulkan, openDevice } from './device.ts';
import { withFloat16 } from './float16-inputs.ts';
import { bufferOf, Gpu } from './runtime/gpu.ts';
import type { MatrixUnits } from './runtime/matrix-units.ts';
import type { Buffer } from './runtime/pool.ts';
import type { CompileProgress, Timing } from './runtime/recorder.ts';
import { softmaxKernels } from './softmax/kernels.ts';
import { trainingKernels } from './training/kernels.ts';

/** How `webgpuBackend` opens and compiles. */
export interface WebgpuOptions extends OpenOptions {
  /**
   * Unrolls the kernels' inner loops and makes variants for each use. Default: unless the adapter computes on the CPU, where compiling
   * such kernels takes minutes.
   */
  readonly unroll?: boolean;
  /**
   * Kernels never store into parts of a vector that others store into, in workgroup memory: WGSL lets devices store all of it then, and
   * Metal does. Default: unless WebGPU is Vulkan here (Linux, Android), which does not; backward is a tenth faster without.
   */
  readonly wholeVectors?: boolean;
  /**
   * Products on matrix units: `matrixUnits('split' | 'half')` of `@linattn/kernels-webgpu/matrix`. A `device` of your own must have been
   * opened with their features. Default: plain float32.
   */
  readonly matrixUnits?: MatrixUnits;
  /** Called while kernels compile, before the first submission that needs them. */
  readonly onCompile?: CompileProgress;
}

/** The backend, and what only a GPU has. */
export interface WebgpuBackend extends Backend {
  readonly device: GPUDevice;
  /** The adapter, in words. */
  readonly description: string;
  /** The adapter computes on the CPU. */
  readonly software: boolean;
  /** What is held now, and at most since `resetPeak`. Bytes. */
  memory(): ReturnType<Backend['memory']> & { readonly peakBytes: number };
  /** Starts a new measurement of `memory().peakBytes`. */
  resetPeak(): void;
  /** Gives pooled buffers back to the device, once nothing recorded waits to be submitted. */
  trim(): void;
  /** Sends the recorded work to the device without reading anything back. */
  submit(): Promise<void>;
  /**
   * A copy of a float tensor that is stored in float16, on any device: the same shape and dtype in half the memory, for weights at inference.
   * Numbers are rounded to the nearest, ties to even; from 65,520 on they become infinite (the largest float16 is 65,504), under 2^-14 they
   * are multiples of 2^-24, NaN stays NaN. Operations take it as any other tensor and compute in float32: matrix products (`matmul`,
   * `linear`, the weight of `weightedLinearCrossEntropy`) and `gather` read it in place, where WGSL lets a device take numbers under 2^-14
   * for zeros and leaves infinities open; the others, products on matrix units and `read` expand it exactly, for as long as they take. `adamW`
   * refuses it. No gradient goes through the copy. A tensor that is stored so already is shown once more.
   * @throws TensorUseError for a tensor of another backend, ValueError for int32.
   */
  toFloat16(x: Tensor): Tensor;
  /**
   * A tensor of `float` over memory of somebody else's on this device, which stays theirs. It is read in place; only where its size is no
   * multiple of 16 bytes it is copied, on the device. Work that writes it must have been submitted before, and it must not change or be
   * destroyed while work recorded here reads it.
   * @param buffer float32 numbers, row-major, from its beginning; usage STORAGE | COPY_SRC.
   * @throws ShapeError where the buffer is too small for `shape`.
   */
  adopt(buffer: GPUBuffer, shape: Shape): Tensor;
  /**
   * Submits the recorded work, without waiting for kernels to compile aside, so that each tensor's numbers are in the buffer beside
   * it: written right there where nothing of it had been submitted (and sizes are multiples of 16 bytes), else copied, on the device. The
   * tensors are disposed.
   * @param results buffers of exactly the tensors' sizes; usage STORAGE | COPY_DST.
   * @throws ShapeError where a buffer has another size.
   */
  deliver(results: readonly (readonly [tensor: Tensor, buffer: GPUBuffer])[]): void;
  /**
   * Submits the recorded work and tells what it took on the device: one entry, or one a kernel with `each`.
   * Needs the feature `timestamp-query`; browsers round the numbers.
   */
  submitTimed(each?: boolean): Promise<Timing[]>;
}

/**
 * Opens a backend that computes in WGSL, in float32: `navigator.gpu` in browsers, the optional package `webgpu` in Node.
 * @throws DeviceError when there is no WebGPU here, or no matrix units where they are asked for.
 */
export async function webgpuBackend(options: WebgpuOptions = {}): Promise<WebgpuBackend> {
  const { matrixUnits: matrix, onCompile } = options;
  const { device, description, software, close } = await openDevice(options, matrix);
  const gpu = new Gpu(device, {
    software: !(options.unroll ?? !software),
    wholeVectors: options.wholeVectors ?? !onVulkan(),
    matrix,
    onCompile,
  });
  /** The buffer, or a float32 copy of what is stored in float16. */
  const inFloat32 = (buffer: Buffer, size: number): Buffer => (buffer.half ? toFloat32(gpu, buffer, size) : buffer);
  const backend: WebgpuBackend = {
    name: 'webgpu',
    dtype: 'float32',
    device,
    description,
    software,
    limits: { maxElements: Math.floor(device.limits.maxBufferSize / 4) },
    kernels: attempts(gpu, {
      ...coreKernels(gpu),
      linearAttention: linearAttention(gpu),
      linearAttentionBackward: linearAttentionBackward(gpu),
      ...softmaxKernels(gpu),
      ...trainingKernels(gpu),
    }),
    upload: (values: ArrayLike<number>, { dtype }: TensorSpec): Handle =>
      gpu.upload(dtype === 'int32' ? Int32Array.from(values) : Float32Array.from(values)),
    download: async (handle: Handle, { shape, dtype }: TensorSpec) => {
      const size = sizeOf(shape);
      const shown = inFloat32(handle as Buffer, size);
      try {
        const bytes = await gpu.download(shown, 4 * size);
        return dtype === 'int32' ? new Int32Array(bytes) : new Float32Array(bytes);
      } finally {
        if (shown !== handle) gpu.give(shown);
      }
    },
    release: (handle: Handle) => gpu.give(handle as Buffer),
    memory: () => {
      const memory = gpu.pool.memory();
      return { ...memory, buffers: memory.buffers - gpu.kept };
    },
    resetPeak: () => gpu.pool.resetPeak(),
    trim: () => gpu.pool.trim(Number.NEGATIVE_INFINITY),
    submit: () => gpu.submit(),
    toFloat16(x: Tensor): Tensor {
      if (x.backend !== backend)
        throw new TensorUseError(`toFloat16: x lives on another backend (${x.backend.name})`, 'x');
      if (x.dtype !== 'float') throw new ValueError('x', 'an int32 tensor', 'a float tensor');
      const buffer = bufferOf(x);
      if (buffer.half) return x.view();
      const copy = gpu.pool.attempt(() => toFloat16(gpu, buffer, x.size));
      return Tensor.own(backend, { shape: x.shape, dtype: 'float' }, copy);
    },
    adopt(buffer: GPUBuffer, shape: Shape): Tensor {
      if (buffer.size < 4 * sizeOf(shape)) {
        throw new ShapeError('shape', shape, `at most the ${buffer.size / 4} numbers of the buffer`);
      }
      return Tensor.own(backend, { shape, dtype: 'float' }, gpu.adopt(buffer));
    },
    deliver(results) {
      for (const [{ shape }, { size }] of results) {
        if (size !== 4 * sizeOf(shape)) throw new ShapeError('results', `${size} bytes`, `the size of [${shape}]`);
      }
      const shown = results.map(([tensor]) => inFloat32(bufferOf(tensor), tensor.size));
      gpu.deliver(results.map(([, buffer], i) => [shown[i], buffer]));
      results.forEach(([tensor], i) => {
        if (shown[i] !== tensor.handle) gpu.give(shown[i]);
        tensor.dispose();
      });
    },
    submitTimed: (each = false) => gpu.submitTimed(each),
    dispose: async () => {
      gpu.dispose();
      close();
    },
  };
  return backend;
}

/** The same kernels, for inputs in float16 storage too; one that throws, over a limit say, keeps no memory. */
const attempts = <Kernels extends KernelTable>(gpu: Gpu, kernels: Kernels): Kernels =>
  Object.fromEntries(
    Object.entries<Kernel<never>>({ ...kernels }).map(([name, kernel]): [string, Kernel<never>] => [
      name,
      (inputs, attributes, outputs) =>
        gpu.pool.attempt(() => withFloat16(gpu, name, inputs, (readable) => kernel(readable, attributes, outputs))),
    ]),
  ) as Kernels;
