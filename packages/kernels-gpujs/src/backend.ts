import { type Backend, type Handle, LimitError, type TensorSpec, ValueError } from '@linattn/math';
import type { Buffer } from './buffer.ts';
import type { Device } from './devices/device.ts';
import { HostDevice } from './devices/host.ts';
import { ResidentDevice } from './devices/resident.ts';
import { type GpujsModule, loadGpujs } from './gpujs.ts';
import { kernelsOn } from './kernels/index.ts';
import { type Mode, modes } from './modes.ts';

/** gpu.js indexes with float32: above 2^24 elements it would go wrong silently. */
const maxElements = 2 ** 24;

export interface GpujsBackendOptions {
  /** Where gpu.js computes. */
  readonly mode: Mode;
  /** gpu.js, where a bundler or a test wants to hand it in: the module. Default: the peer dependency is imported. */
  readonly gpu?: GpujsModule;
  /** Kernels kept compiled; the least recently used beyond are destroyed. Default 512. */
  readonly maxKernels?: number;
  /** Bytes of arrays kept for reuse, and of the compiled kernels' own memories, in cpu and webasm. Default 1 GiB. */
  readonly maxPooledBytes?: number;
  /** Use gpu.js's private parts, feature-tested, to save copies. Default true. */
  readonly privateHooks?: boolean;
}

/** A backend on gpu.js, with what is worth knowing about it. */
export interface GpujsBackend extends Backend {
  readonly dtype: 'float32';
  readonly mode: Mode;
  /** Compiled kernels held now. */
  readonly kernelCount: number;
}

/**
 * Opens gpu.js in one mode and builds linattn's operations on it.
 * @throws ValueError for an unknown mode where the mode does not work here, DeviceError when gpu.js is
 * missing or fails.
 */
export async function createGpujsBackend(options: GpujsBackendOptions): Promise<GpujsBackend> {
  const { mode, gpu, maxKernels = 512, maxPooledBytes = 2 ** 30, privateHooks = true } = options;
  if (!modes.includes(mode)) throw new ValueError('mode', mode, modes.join(' | '));
  for (const [name, value] of Object.entries({ maxKernels, maxPooledBytes })) {
    if (!(Number.isInteger(value) && value > 0)) throw new ValueError(name, value, 'an integer > 0');
  }
  const gpujs = await loadGpujs(gpu);
  if (mode === 'cpu' || mode === 'webasm') {
    return backendOn(new HostDevice(gpujs, { mode, maxKernels, maxPooledBytes, privateHooks }));
  }
  return backendOn(await ResidentDevice.open(gpujs, { mode, maxKernels }));
}

function backendOn(device: Device): GpujsBackend {
  return {
    name: `gpujs-${device.mode}`,
    dtype: 'float32',
    mode: device.mode,
    limits: { maxElements },
    kernels: kernelsOn(device),
    get kernelCount() {
      return device.kernelCount;
    },
    upload(values: ArrayLike<number>, { dtype }: TensorSpec): Handle {
      if (values.length > maxElements) {
        throw new LimitError('values', values.length, "gpu.js's largest array, in elements", maxElements);
      }
      const array = device.allocate(values.length);
      array.set(values);
      if (dtype === 'int32') checkIndices(values);
      return device.upload(array, dtype === 'int32');
    },
    async download(handle: Handle, { dtype }: TensorSpec) {
      const values = await device.read(handle as Buffer);
      return dtype === 'int32' ? Int32Array.from(values) : values;
    },
    release: (handle: Handle) => device.release(handle as Buffer),
    memory: () => device.memory(),
    dispose: () => device.dispose(),
  };
}

/** Indices travel as float32. */
function checkIndices(values: ArrayLike<number>): void {
  for (let i = 0; i < values.length; i++) {
    const magnitude = Math.abs(values[i]);
    if (magnitude > maxElements)
      throw new LimitError(`values[${i}]`, magnitude, 'the largest exact index', maxElements);
  }
}
