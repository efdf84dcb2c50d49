export { createGpujsBackend, type GpujsBackend, type GpujsBackendOptions } from './backend.ts';
export { type GpujsModule, gpujsVersion } from './gpujs.ts';
export { type Mode, modes } from './modes.ts';
