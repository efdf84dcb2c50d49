import type { Backend } from '@linattn/math';
import type { BackendName } from './names.ts';

export interface OpenBackend {
  readonly backend: Backend;
  /** The device, in words. */
  readonly description: string;
}

export interface OpenBackendOptions {
  /** Kernels that compile before the first results, where that takes time. */
  readonly onCompile?: (done: number, total: number) => void;
}

/** Opens a backend; its code is loaded only now. @throws DeviceError, UnsupportedError where it does not work. */
export async function openBackend(name: BackendName, { onCompile }: OpenBackendOptions = {}): Promise<OpenBackend> {
  switch (name) {
    case 'webgpu': {
      const { webgpuBackend } = await import('@linattn/kernels-webgpu');
      const backend = await webgpuBackend({ onCompile });
      return { backend, description: `WebGPU, ${backend.description}` };
    }
    case 'wasm': {
      const { createWasmBackend } = await import('@linattn/kernels-wasm');
      const backend = await createWasmBackend();
      const { threads } = backend;
      return { backend, description: `WebAssembly, ${threads} ${threads === 1 ? 'thread' : 'threads'}` };
    }
    case 'float64': {
      const { float64Backend } = await import('@linattn/math/float64');
      return { backend: float64Backend(), description: 'float64 reference' };
    }
    default: {
      const { createGpujsBackend } = await import('@linattn/kernels-gpujs');
      const mode = name.slice('gpujs-'.length) as 'webgpu' | 'webgl2' | 'webasm' | 'cpu';
      return { backend: await createGpujsBackend({ mode }), description: `gpu.js, ${mode}` };
    }
  }
}
