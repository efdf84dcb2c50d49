import { DeviceError, ValueError } from '@linattn/math';

// The part of gpu.js 2.24.1 that is used, written down by hand: its own types hide what a result really is, and the private
// hooks (all optional here, all feature-tested) are not typed at all.

/** A flat array with extents: how gpu.js is handed row-major numbers. */
export interface GpuInput {
  readonly value: Float32Array;
  readonly size: readonly number[];
}

/** What a kernel call returns: nested arrays, a flat array, a device-resident result, or a promise of one of them. */
export type GpuResult = unknown;

/** A result that stays on the device: a GL texture or a WebGPU buffer. */
export interface GpuResident {
  output: readonly number[];
  /** GL: extents that kernels index by. */
  dimensions?: readonly number[];
  /** WebGPU: 4 for kernels that return Array(4). */
  componentCount?: number;
  readonly type: string;
  toArray(): unknown;
  delete(): void;
  /** GL: the raw pixels, before they are cut into rows. */
  renderRawOutput?(): Float32Array;
  /** WebGPU: the buffer, counted by those who hold it. */
  readonly buffer?: CountedBuffer;
  /** WebGPU: gpu.js's own record of the device. GL: the context. */
  readonly context?: { readonly device?: EventTarget; isContextLost?(): boolean };
}

interface CountedBuffer {
  _refs?: number;
}

/** A compiled module of the webasm mode and its memory. */
export interface WebasmInstance {
  readonly f32: Float32Array;
  readonly cells: number;
  readonly run: (start: number, end: number, seed: number) => void;
  readonly runSimd: ((start: number, end: number, seed: number) => void) | null;
  readonly layout: {
    readonly arrays: Readonly<Record<string, { readonly offset: number }>>;
    readonly scalars: Readonly<Record<string, { readonly offset: number }>>;
    readonly outputOffset: number;
  };
}

/** A kernel behind its callable shortcut. Underscored members are private to gpu.js. */
export interface KernelInternals {
  readonly constructor: {
    readonly mode?: string;
    dispatchSpans?(
      run: WebasmInstance['run'],
      runSimd: WebasmInstance['runSimd'],
      cells: number,
      sizeX: number,
      seed: number,
    ): string;
  };
  readonly fallbackReason?: string | null;
  readonly componentCount?: number;
  destroy(): void;
  _shapeOutput?: (data: Float32Array, ...rest: unknown[]) => unknown;
  _resultKernelBody?: (kernelString: string) => string;
  _active?: WebasmInstance | null;
  _moduleCache?: Map<string, unknown>;
  _instantiate?: (key: string, args: ArrayLike<unknown>) => void;
  _assembleModule?: (layout: unknown, cells: number, shared: boolean) => { bytes: Uint8Array; initial: number };
  computeLayout?: (args: ArrayLike<unknown>) => unknown;
  readonly threadDim?: readonly number[];
  readonly usedMathImports?: Iterable<string>;
  /** WebGPU: what the last call wrote, held until the next. */
  outputBuffer?: CountedBuffer | null;
  bindGroupDirty?: boolean;
}

export interface GpuKernel {
  (...inputs: unknown[]): GpuResult;
  readonly kernel: KernelInternals;
}

export interface GpuKernelSettings {
  readonly output: readonly number[];
  readonly precision: 'single';
  readonly loopMaxIterations: number;
  readonly pipeline?: boolean;
  readonly immutable?: boolean;
  readonly dynamicArguments?: boolean;
  /** GL: which precision variables are declared in. */
  readonly tactic?: 'precision';
  readonly asyncMode?: boolean;
}

export interface GpuInstance {
  readonly mode: string;
  readonly kernels: unknown[];
  createKernel(source: string, settings: GpuKernelSettings): GpuKernel;
  destroy(): Promise<void>;
}

export interface GpuConstructor {
  new (settings: { mode: string }): GpuInstance;
  readonly isWebGL2Supported?: boolean;
  readonly isHeadlessGLSupported?: boolean;
  readonly isWebAssemblySupported?: boolean;
  readonly isWebGPUSupported?: boolean;
}

/** gpu.js as it is imported: the module, its default export, or the browser build's GPU class with everything on it. */
export type GpujsModule = object;

export interface Gpujs {
  readonly GPU: GpuConstructor;
  readonly input: (value: Float32Array, size: readonly number[]) => GpuInput;
}

/** The version whose private hooks and silent limits this package was written against. */
export const gpujsVersion = '2.24.1';

/**
 * Finds gpu.js's constructor and `input` in what was handed in, or imports the peer dependency.
 * @throws ValueError when `given` is not gpu.js, DeviceError when it is not installed.
 */
export async function loadGpujs(given?: GpujsModule): Promise<Gpujs> {
  if (given) {
    const found = findIn(given);
    if (!found) throw new ValueError('gpu', typeof given, "gpu.js: the module (import * as gpujs from 'gpu.js')");
    return found;
  }
  let module: GpujsModule;
  try {
    module = (await import('gpu.js')) as GpujsModule;
  } catch (cause) {
    throw new DeviceError(`gpu.js could not be imported: install it with \`npm install gpu.js@${gpujsVersion}\``, {
      cause,
    });
  }
  const found = findIn(module);
  if (!found) throw new DeviceError(`the installed gpu.js has no GPU class: version ${gpujsVersion} is needed`);
  return found;
}

function findIn(module: GpujsModule): Gpujs | undefined {
  const root = module as { default?: unknown };
  for (const place of [root, root.default]) {
    if (!place) continue;
    const { GPU, input } = place as { GPU?: unknown; input?: unknown };
    if (isGpuConstructor(GPU) && typeof input === 'function') return { GPU, input: input as Gpujs['input'] };
  }
  return undefined;
}

// A browser with WebGPU has a global GPU class of its own: only gpu.js's makes kernels.
const isGpuConstructor = (value: unknown): value is GpuConstructor =>
  typeof value === 'function' && typeof (value.prototype as { createKernel?: unknown })?.createKernel === 'function';
