import type { Backend, KernelTable } from '../backend.ts';
import { isCore } from './case.ts';

/** The same backend with its core kernels alone: every other operation is composed of them, as on a backend that has no more. */
export function coreOnly(backend: Backend): Backend {
  const kernels = Object.fromEntries(Object.entries(backend.kernels).filter(([op]) => isCore(op))) as KernelTable;
  return {
    name: `${backend.name} (core only)`,
    dtype: backend.dtype,
    limits: backend.limits,
    kernels,
    upload: (values, spec) => backend.upload(values, spec),
    download: (handle, spec) => backend.download(handle, spec),
    release: (handle) => backend.release(handle),
    memory: () => backend.memory(),
    dispose: () => backend.dispose(),
  };
}
