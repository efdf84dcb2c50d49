import type { Build, WasmSource } from './module/load.ts';
import { builtin } from './module/node.ts';

// Written out in full: this is the form that Vite, webpack, Rollup and Parcel recognise and emit as files.
const urls: Readonly<Record<Build, () => URL>> = {
  plain: () => new URL('./generated/plain.wasm', import.meta.url),
  relaxed: () => new URL('./generated/relaxed.wasm', import.meta.url),
};

/**
 * The modules as files beside the JavaScript, for `createWasmBackend({ source: wasmFiles })`: a quarter smaller than inlined, and
 * cached by themselves. The bundler must understand `new URL(…, import.meta.url)`.
 */
export const wasmFiles: WasmSource = async (build) => {
  const url = urls[build]();
  if (url.protocol !== 'file:') return fetch(url);
  const files = await builtin<typeof import('node:fs/promises')>('fs/promises');
  return new Uint8Array(await files!.readFile(url));
};
