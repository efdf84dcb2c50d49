import type { Backend, Handle, Kernel, KernelTable, TensorSpec } from '../backend.ts';
import { attentionKernels } from './attention.ts';
import { coreKernels } from './core.ts';

/** The float64 reference: plain arrays, one thread, every loop written to be read. The truth that other backends are held to. */
export function float64Backend(): Backend {
  const live = new Set<Handle>();
  const owned = <T extends Handle>(handle: T): T => {
    live.add(handle);
    return handle;
  };
  const kernels = Object.fromEntries(
    Object.entries<Kernel<never>>({ ...coreKernels, ...attentionKernels }).map(([name, kernel]) => [
      name,
      ((...call) => kernel(...call).map(owned)) satisfies Kernel<never>,
    ]),
  ) as KernelTable;
  const bytes = () => [...live].reduce((total: number, handle) => total + (handle as Float64Array).byteLength, 0);
  return {
    name: 'float64',
    dtype: 'float64',
    limits: { maxElements: 2 ** 31 },
    kernels,
    upload: (values: ArrayLike<number>, spec: TensorSpec) =>
      owned(spec.dtype === 'int32' ? Int32Array.from(values) : Float64Array.from(values)),
    download: async (handle: Handle) => (handle as Float64Array).slice(),
    downloadSync: (handle: Handle) => (handle as Float64Array).slice(),
    release: (handle: Handle) => {
      live.delete(handle);
    },
    memory: () => ({ buffers: live.size, bytes: bytes(), pooledBytes: 0 }),
    dispose: async () => live.clear(),
  };
}
