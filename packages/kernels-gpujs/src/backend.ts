import {
  type Backend,
  DeviceError,
  type Handle,
  LimitError,
  type TensorSpec,
  UnsupportedError,
  ValueError,
} from '@linattn/math';
import type { Buffer } from './buffer.ts';
import type { Device } from './devices/device.ts';
import { HostDevice, type HostOptions } from './devices/host.ts';
import { ResidentDevice } from './devices/resident.ts';
import { type Gpujs, type GpujsModule, loadGpujs } from './gpujs.ts';
import type { ArrayLimits } from './kernels/attention/plan.ts';
import { kernelsOn } from './kernels/index.ts';
import { automaticModes, availableModes, findMode, type Mode, modes } from './modes.ts';
import type { Program } from './program.ts';

/** gpu.js indexes with float32: above 2^24 elements it would go wrong silently. */
const maxElements = 2 ** 24;

/** How `createGpujsBackend` chooses a mode, and what it keeps. */
export interface GpujsBackendOptions {
  /**
   * Where gpu.js computes. Default `auto`: WebGPU or WebGL2 on a real GPU, else webasm, else cpu. A mode by name is also taken on
   * a GPU that is emulated in software.
   */
  readonly mode?: Mode | 'auto';
  /** `auto` may take a GPU that is emulated in software. Default false. */
  readonly software?: boolean;
  /** gpu.js, where a bundler or a test wants to hand it in: the module. Default: the peer dependency is imported. */
  readonly gpu?: GpujsModule;
  /** Kernels kept compiled; the least recently used beyond are destroyed. Default 512. */
  readonly maxKernels?: number;
  /** cpu and webasm: bytes of arrays kept for reuse. Default 1 GiB. */
  readonly maxPooledBytes?: number;
  /** cpu and webasm: use gpu.js's private parts, where they are as expected, to save copies and memories. Default true. */
  readonly privateHooks?: boolean;
}

/** A backend on gpu.js, with what is worth knowing about it. */
export interface GpujsBackend extends Backend {
  readonly dtype: 'float32';
  /** The mode that computes, checked against what gpu.js says that it ran. */
  readonly mode: Mode;
  /** Compiled kernels held now. */
  readonly kernelCount: number;
}

/**
 * Opens gpu.js in one mode and builds linattn's operations on it. A small kernel is run first.
 * @throws ValueError for options out of range, UnsupportedError where the mode does not work here (saying why), DeviceError when
 * gpu.js is missing or computes wrongly.
 */
export async function createGpujsBackend(options: GpujsBackendOptions = {}): Promise<GpujsBackend> {
  const { mode: wanted = 'auto', gpu, software = false } = options;
  const { maxKernels = 512, maxPooledBytes = 2 ** 30, privateHooks = true } = options;
  if (wanted !== 'auto' && !modes.includes(wanted)) throw new ValueError('mode', wanted, `auto | ${modes.join(' | ')}`);
  for (const [name, value] of Object.entries({ maxKernels, maxPooledBytes })) {
    if (!(Number.isInteger(value) && value > 0)) throw new ValueError(name, value, 'an integer > 0');
  }
  const gpujs = await loadGpujs(gpu);
  const open = (mode: Mode) => openDevice(gpujs, mode, { maxKernels, maxPooledBytes, privateHooks });
  if (wanted !== 'auto') return backendOn(await open(wanted));
  let failure: unknown;
  for (const mode of automaticModes(await availableModes({ gpu }), { software })) {
    try {
      return backendOn(await open(mode));
    } catch (error) {
      failure ??= error;
    }
  }
  throw failure ?? new UnsupportedError('gpujs', 'every mode of gpu.js', 'availableModes() says why');
}

async function openDevice(gpujs: Gpujs, mode: Mode, options: Omit<HostOptions, 'mode'>): Promise<Device> {
  const { available, detail } = await findMode(mode, gpujs);
  if (!available) throw new UnsupportedError('gpujs', `mode ${mode}`, detail);
  const device =
    mode === 'cpu' || mode === 'webasm'
      ? new HostDevice(gpujs, { ...options, mode })
      : new ResidentDevice(gpujs, { ...options, mode });
  try {
    await probe(device);
  } catch (error) {
    await device.dispose();
    throw error;
  }
  return device;
}

/** The only proof that a mode works is a kernel that it ran. */
async function probe(device: Device): Promise<void> {
  const x = Float32Array.of(1, 2, 3, 4, 5);
  const program: Program = {
    name: 'probe',
    inputs: { a: [x.length, 1, 1] },
    numbers: ['scale'],
    output: [x.length, 1, 1],
    body: (thread) => `return scale*a[${thread.x}];`,
  };
  const source = device.upload(x);
  const result = device.run(program, [source], [2]);
  const values = await device.read(result);
  device.release(source);
  device.release(result);
  if (!values.every((value, i) => value === 2 * (i + 1))) {
    throw new DeviceError(
      `gpu.js computes wrongly in mode ${device.mode}: 2 · [1, 2, 3, 4, 5] = [${values.join(', ')}]`,
    );
  }
}

/** @internal */
export function backendOn(device: Device, attentionLimits?: ArrayLimits): GpujsBackend {
  return {
    name: `gpujs-${device.mode}`,
    dtype: 'float32',
    mode: device.mode,
    limits: { maxElements },
    kernels: kernelsOn(device, attentionLimits),
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
    download: async (handle: Handle, spec: TensorSpec) => asType(await device.read(handle as Buffer), spec),
    ...(device.readSync && {
      downloadSync: (handle: Handle, spec: TensorSpec) => asType(device.readSync!(handle as Buffer), spec),
    }),
    release: (handle: Handle) => device.release(handle as Buffer),
    memory: () => device.memory(),
    dispose: () => device.dispose(),
  };
}

const asType = (values: Float32Array, { dtype }: TensorSpec): Float32Array | Int32Array =>
  dtype === 'int32' ? Int32Array.from(values) : values;

/** Indices travel as float32. */
function checkIndices(values: ArrayLike<number>): void {
  for (let i = 0; i < values.length; i++) {
    const magnitude = Math.abs(values[i]);
    if (magnitude > maxElements)
      throw new LimitError(`values[${i}]`, magnitude, 'the largest exact index', maxElements);
  }
}
