/// <reference path="./wgsl.d.ts" />
export { type WebgpuBackend, type WebgpuOptions, webgpuBackend } from './backend.ts';
export type { OpenOptions } from './device.ts';
export type { CompileProgress, Timing } from './runtime/recorder.ts';
