export { createGpujsBackend, type GpujsBackend, type GpujsBackendOptions } from './backend.ts';
export { type GpujsModule, gpujsVersion } from './gpujs.ts';
export { automaticModes, availableModes, type Mode, type ModeReport, modes } from './modes.ts';
