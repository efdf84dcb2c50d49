export { createWasmBackend, type WasmBackend, type WasmOptions } from './backend.ts';
export { OutOfMemoryError } from './errors.ts';
export { hasRelaxedSimd, hasSimd } from './module/features.ts';
export type { Build, WasmSource } from './module/load.ts';
export { whySingleThreaded } from './threads/spawn.ts';
