import { createWasmBackend, type WasmOptions } from '@linattn/kernels-wasm';
import type { Backend } from '@linattn/math';
import { SharedBackend } from '@linattn/math/host';

let options: WasmOptions = {};

const shared = new SharedBackend(() => createWasmBackend(options));

/**
 * Opens the WebAssembly kernels that every call without `options.backend` runs on: once, before the first of them. Later calls
 * return the same backend, whatever their options.
 * @param wasm threads, memory, where the module comes from.
 * @throws UnsupportedError without SIMD, ValueError for bad options, DeviceError when the module cannot be loaded.
 */
export function ready(wasm: WasmOptions = {}): Promise<Backend> {
  options = wasm;
  return shared.ready();
}

/** Frees what `ready` opened: its memory and its threads. */
export const dispose = (): Promise<void> => shared.dispose();

/** @throws DeviceError before `ready` is through. */
export const openBackend = (): Backend => shared.get();
