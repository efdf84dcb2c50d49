import { DeviceError } from '@linattn/math';

export type Build = 'plain' | 'relaxed';

/** Where a build's bytes come from: the inlined text (default), or a response of a URL. */
export type WasmSource = (build: Build) => Promise<BufferSource | Response>;

const compiled = new WeakMap<WasmSource, Map<Build, Promise<WebAssembly.Module>>>();

/** Only the build that is used is loaded: bundlers put each into a file of its own. */
export const inlined: WasmSource = async (build) => {
  const { default: text } =
    build === 'relaxed' ? await import('../generated/relaxed.ts') : await import('../generated/plain.ts');
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
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
    const bytes = await source(build);
    if (typeof Response !== 'undefined' && bytes instanceof Response) {
      if (!bytes.ok) throw new Error(`${bytes.url}: HTTP ${bytes.status}`);
      return await WebAssembly.compile(await bytes.arrayBuffer());
    }
    return await WebAssembly.compile(bytes as BufferSource);
  } catch (cause) {
    throw new DeviceError(`wasm: the ${build} build could not be loaded: ${String(cause)}`, { cause });
  }
}
