import type { Backend } from '@linattn/math';
import { BackendUnavailableError, UsageError } from './errors.ts';

/** Whether a backend works on this machine, and if not, why. */
export type Availability =
  | {
      readonly ok: true;
      readonly detail: string;
      /** `auto` may take it: it is no GPU that is emulated on the CPU. */
      readonly automatic: boolean;
    }
  | { readonly ok: false; readonly reason: string };

export interface BackendOptions {
  /** Threads that compute, on backends that have them. Default: one a processor. */
  readonly threads?: number;
}

/** A backend that the command line knows. Its package is imported only when it is asked for. */
export interface BackendEntry {
  readonly name: string;
  readonly summary: string;
  /** The command line's usual model would hardly begin to learn on it in the usual time. */
  readonly slow?: true;
  /** Finds out whether it works on this machine; must not throw. */
  available(): Promise<Availability>;
  /**
   * Opens it.
   * @throws LinattnError where it does not work here.
   */
  create(options?: BackendOptions): Promise<Backend>;
}

const message = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Creates the backend, runs a small product on it and gives it back: the only proof that it works. */
async function probe<B extends Backend>(
  create: () => Promise<B>,
  detail: (backend: B) => string,
  automatic: (backend: B) => boolean = () => true,
): Promise<Availability> {
  try {
    const backend = await create();
    try {
      const { matmul, tensor } = await import('@linattn/math');
      const product = matmul(tensor(backend, [1, 2, 3, 4], [2, 2]), tensor(backend, [5, 6, 7, 8], [2, 2]));
      const values = [...(await product.read())];
      if (values.join() === '19,22,43,50') {
        return { ok: true, detail: `${backend.dtype}, ${detail(backend)}`, automatic: automatic(backend) };
      }
      return { ok: false, reason: `it computes wrongly: [1 2; 3 4] [5 6; 7 8] gave ${values.join(' ')}` };
    } finally {
      await backend.dispose();
    }
  } catch (error) {
    return { ok: false, reason: message(error) };
  }
}

function gpujs(mode: 'webgpu' | 'webasm' | 'cpu', summary: string, slow?: true): BackendEntry {
  const create = async () => {
    const { createGpujsBackend } = await import('@linattn/kernels-gpujs');
    return createGpujsBackend({ mode });
  };
  const available = async (): Promise<Availability> => {
    try {
      const { availableModes } = await import('@linattn/kernels-gpujs');
      const report = (await availableModes()).find((found) => found.mode === mode);
      if (!report?.available) return { ok: false, reason: report?.detail ?? 'gpu.js does not know this mode' };
      const { detail, automatic } = report;
      return await probe(
        create,
        () => detail,
        () => automatic,
      );
    } catch (error) {
      return { ok: false, reason: message(error) };
    }
  };
  return { name: `gpujs-${mode}`, summary, slow, available, create };
}

const wasm: BackendEntry = {
  name: 'wasm',
  summary: 'WebAssembly with SIMD and threads, written for this',
  available: () => probe(createWasm, ({ threads, build }) => `${threads} threads, ${build} SIMD`),
  create: createWasm,
};

async function createWasm(options: BackendOptions = {}) {
  const { createWasmBackend } = await import('@linattn/kernels-wasm');
  return createWasmBackend(options);
}

const webgpu: BackendEntry = {
  name: 'webgpu',
  summary: 'WebGPU, written for this: a GPU and the package webgpu',
  available: () =>
    probe(
      createWebgpu,
      ({ description }) => description,
      ({ software }) => !software,
    ),
  create: createWebgpu,
};

async function createWebgpu() {
  const { webgpuBackend } = await import('@linattn/kernels-webgpu');
  return webgpuBackend();
}

const webgpuUnits: BackendEntry = {
  name: 'webgpu-units',
  summary: 'the same with its products on matrix units, as exact: NVIDIA',
  // What it needs of WebGPU is experimental: only for who asks for it.
  available: () =>
    probe(
      createWebgpuUnits,
      ({ description }) => description,
      () => false,
    ),
  create: createWebgpuUnits,
};

async function createWebgpuUnits() {
  const { webgpuBackend } = await import('@linattn/kernels-webgpu');
  const { matrixUnits } = await import('@linattn/kernels-webgpu/matrix');
  return webgpuBackend({ matrixUnits: matrixUnits('split') });
}

/** In the order that `auto` tries them. A new backend is one more entry. */
export const backends: readonly BackendEntry[] = [
  // Before WebGPU: asking Dawn for a GPU where there is none writes warnings to the terminal that nobody can catch.
  wasm,
  webgpu,
  webgpuUnits,
  gpujs('webgpu', 'gpu.js: WebGPU'),
  gpujs('webasm', 'gpu.js: WebAssembly with SIMD', true),
  gpujs('cpu', 'gpu.js: plain JavaScript', true),
  {
    name: 'float64',
    summary: 'the reference in plain JavaScript: exact, slow',
    slow: true,
    available: async () => ({ ok: true, detail: 'float64, one thread', automatic: true }),
    create: async () => (await import('@linattn/math/float64')).float64Backend(),
  },
];

export const backendNames = ['auto', ...backends.map(({ name }) => name)] as const;

/** @throws UsageError for an unknown name. */
export function findBackend(name: string): BackendEntry {
  const found = backends.find((entry) => entry.name === name);
  if (!found) {
    throw new UsageError('--backend', `there is no backend ${name}; choose ${backendNames.join(', ')}`, {
      given: name,
    });
  }
  return found;
}

/**
 * Opens a backend by name, or the first that works for `auto`.
 * @throws UsageError, BackendUnavailableError with the reason.
 */
export async function openBackend(name: string, options: BackendOptions = {}): Promise<Backend> {
  const named = name === 'auto' ? undefined : findBackend(name);
  for (const entry of named ? [named] : backends) {
    const availability = await entry.available();
    if (availability.ok && (named || availability.automatic)) return entry.create(options);
    if (named && !availability.ok) throw new BackendUnavailableError(name, availability.reason);
  }
  throw new BackendUnavailableError(name, 'no backend works here; `linattn doctor` says why');
}
