import type { KernelInternals } from '../gpujs.ts';

const pageBytes = 65_536;
/** The largest memory that gpu.js's modules declare unless they need more. */
const maximum = 4096;
export const arenaBytes = maximum * pageBytes;

/**
 * One WebAssembly memory under all kernels. gpu.js gives every kernel a memory of its own, and browsers have room for about a
 * hundred; but a call copies its arguments in and its result out, so that nothing in it need outlive the call.
 */
export class WasmArena {
  #memory: WebAssembly.Memory | undefined;
  #f32 = new Float32Array(0);

  /** The numbers now: growing moves them. */
  get f32(): Float32Array {
    return this.#f32;
  }

  get bytes(): number {
    return this.#f32.byteLength;
  }

  /**
   * Makes a kernel, before its first call, build its module over this memory. Returns false, and changes nothing, where gpu.js's
   * private parts are not as expected. A kernel that needs more than the arena may hold gets a memory of its own after all.
   */
  hold(kernel: KernelInternals): boolean {
    const { _instantiate: instantiate, _assembleModule: assemble, computeLayout } = kernel;
    if (!(instantiate && assemble && computeLayout && kernel._moduleCache instanceof Map)) return false;
    kernel._instantiate = (key, args) => {
      const layout = kernel.computeLayout!(args);
      const cells = kernel.threadDim!.reduce((product, extent) => product * extent, 1);
      const { bytes, initial } = kernel._assembleModule!(layout, cells, false);
      if (initial > maximum) {
        instantiate.call(kernel, key, args);
        return;
      }
      const memory = this.#grown(initial);
      const imports: Record<string, WebAssembly.ImportValue> = { memory };
      for (const name of kernel.usedMathImports ?? []) {
        imports[`math_${name}`] = Math[name as 'exp'] as WebAssembly.ImportValue;
      }
      const module = new WebAssembly.Module(bytes as BufferSource);
      const instance = new WebAssembly.Instance(module, { env: imports });
      const arena = this;
      const entry = {
        sizeSignature: key,
        shared: false,
        layout,
        cells,
        bytes,
        module,
        memory,
        instance,
        run: instance.exports.run,
        runSimd: instance.exports.run_simd ?? null,
        get f32() {
          return arena.f32;
        },
        set f32(_: Float32Array | null) {},
        get i32() {
          return new Int32Array(arena.f32.buffer);
        },
        set i32(_: Int32Array | null) {},
      };
      kernel._moduleCache!.set(key, entry);
      kernel._active = entry as unknown as KernelInternals['_active'];
    };
    return true;
  }

  #grown(pages: number): WebAssembly.Memory {
    if (!this.#memory) this.#memory = new WebAssembly.Memory({ initial: pages, maximum });
    const missing = pages - this.#memory.buffer.byteLength / pageBytes;
    // By a half more at once: growing may copy.
    if (missing > 0) {
      const wanted = Math.min(maximum, Math.ceil(1.5 * pages));
      this.#memory.grow(wanted - this.#memory.buffer.byteLength / pageBytes);
    }
    if (this.#f32.buffer !== this.#memory.buffer) this.#f32 = new Float32Array(this.#memory.buffer);
    return this.#memory;
  }
}
