import { DeviceError } from '@linattn/math';

/** The module's two builds: with fused multiply-adds (relaxed SIMD), and without. */
export type Build = 'plain' | 'relaxed';

/** Where a build's bytes come from: the inlined text (default), or a response of a URL. */
export type WasmSource = (build: Build) => Promise<BufferSource | Response>;

const compiled = new WeakMap<WasmSource, Map<Build, Promise<WebAssembly.Module>>>();

/** Only the build that is used is loaded: bundlers put each into a file of its own. */
export const inlined: WasmSource = async (build) => {
  const { default: text } =
    build === 'relaxed' ? await import('../generated/relaxed.ts') : await import('../generated/plain.ts');
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
};

/** Compiles a build once, however many backends use it. */
export function loadModule(source: WasmSource, build: Build): Promise<WebAssembly.Module> {
  let modules = compiled.get(source);
  if (!modules) compiled.set(source, (modules = new Map()));
  let module = modules.get(build);
  if (!module) {
    module = compile(source, build);
    modules.set(build, module);
    // A failed fetch may be tried again.
    module.catch(() => modules.delete(build));
  }
  return module;
}

async function compile(source: WasmSource, build: Build): Promise<WebAssembly.Module> {
  try {
    const given = await source(build);
    // Not `instanceof Response`: in Node that name alone loads an HTTP client, for 40 ms.
    if (given instanceof ArrayBuffer || ArrayBuffer.isView(given)) return await WebAssembly.compile(given);
    if (!given.ok) throw new Error(`${given.url}: HTTP ${given.status}`);
    return await WebAssembly.compile(await given.arrayBuffer());
  } catch (cause) {
    throw new DeviceError(`wasm: the ${build} build could not be loaded: ${String(cause)}`, { cause });
  }
}
