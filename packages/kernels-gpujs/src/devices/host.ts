import { type BackendMemory, DeviceError, LinattnError } from '@linattn/math';
import { Buffer } from '../buffer.ts';
import type { GpuInstance, Gpujs, GpuKernel } from '../gpujs.ts';
import { mathTexts } from '../math-text.ts';
import { keyOf, type Program, volume } from '../program.ts';
import { type Dialect, type Source, sourceOf, threadLayouts, unblock } from '../source.ts';
import { checkMode, checkSizes, createKernel, destroyKernel } from './compile.ts';
import type { Device } from './device.ts';
import { writeDirectly, writeRowsDirectly } from './host-hooks.ts';
import { Cache } from './kernel-cache.ts';
import { ArrayPool } from './pool.ts';
import { arenaBytes, WasmArena } from './wasm-arena.ts';

export interface HostOptions {
  readonly mode: 'cpu' | 'webasm';
  /** Kernels kept compiled. */
  readonly maxKernels: number;
  /** Bytes of arrays kept for reuse, and of the kernels' own memories. */
  readonly maxPooledBytes: number;
  /** Use gpu.js's private hooks where they are as expected. */
  readonly privateHooks: boolean;
}

/** Runs a kernel with its result written into an array that is there already. */
export type RunInto = (inputs: readonly Float32Array[], numbers: readonly number[], out: Float32Array) => void;

interface Compiled {
  readonly kernel: GpuKernel;
  readonly run: RunInto;
}

const dialects: Record<HostOptions['mode'], Dialect> = {
  cpu: { threads: threadLayouts.hoisted, rowsPerThread: 1, math: mathTexts.native, floatIndexes: false },
  webasm: { threads: threadLayouts.direct, rowsPerThread: 4, math: mathTexts.webasm, floatIndexes: false },
};

/** The modes whose numbers are plain arrays: gpu.js's own JavaScript, and the WebAssembly that it generates. */
export class HostDevice implements Device {
  readonly mode: HostOptions['mode'];
  readonly hostArrays = true;
  readonly #gpu: GpuInstance;
  readonly #input: Gpujs['input'];
  readonly #privateHooks: boolean;
  readonly #maxPooledBytes: number;
  readonly #kernels: Cache<Compiled>;
  readonly #pool: ArrayPool;
  readonly #arena = new WasmArena();
  #buffers = 0;
  #bytes = 0;

  constructor({ GPU, input }: Gpujs, { mode, maxKernels, maxPooledBytes, privateHooks }: HostOptions) {
    this.mode = mode;
    this.#gpu = new GPU({ mode });
    this.#input = input;
    this.#privateHooks = privateHooks;
    this.#maxPooledBytes = maxPooledBytes;
    this.#pool = new ArrayPool(maxPooledBytes);
    this.#kernels = new Cache(maxKernels, maxPooledBytes, ({ kernel }) => destroyKernel(this.#gpu, kernel));
  }

  get kernelCount(): number {
    return this.#kernels.size;
  }

  allocate(size: number): Float32Array {
    return this.#pool.take(size);
  }

  upload(values: Float32Array): Buffer {
    this.#buffers++;
    this.#bytes += values.byteLength;
    return new Buffer(values.length, values);
  }

  run(program: Program, inputs: readonly Buffer[], numbers: readonly number[] = []): Buffer {
    checkSizes(program, inputs);
    const arrays = inputs.map(({ host }) => host!);
    const out = this.#pool.take(volume(program.output));
    const key = keyOf(program);
    const known = this.#kernels.get(key);
    if (known) known.run(arrays, numbers, out);
    else this.#compile(key, program, arrays, numbers, out);
    return this.upload(out);
  }

  release(buffer: Buffer): void {
    if (!buffer.host) return;
    this.#buffers--;
    this.#bytes -= buffer.host.byteLength;
    this.#pool.give(buffer.host);
    buffer.host = undefined;
  }

  async read(buffer: Buffer): Promise<Float32Array> {
    return this.readSync(buffer);
  }

  readSync(buffer: Buffer): Float32Array {
    return buffer.host!.slice();
  }

  memory(): BackendMemory {
    return { buffers: this.#buffers, bytes: this.#bytes, pooledBytes: this.#pool.bytes + this.#arena.bytes };
  }

  async dispose(): Promise<void> {
    this.#kernels.clear();
    this.#pool.clear();
    await this.#gpu.destroy();
  }

  /** Bytes of a kernel's own memory: none in the arena. Any takes address space besides, of which browsers have for about 100. */
  #costOf(held: boolean, bytes: number): number {
    if (this.mode === 'cpu' || (held && bytes < arenaBytes)) return 0;
    return Math.max(bytes, Math.ceil(this.#maxPooledBytes / 96));
  }

  /** Builds a kernel by its first call. */
  #compile(
    key: string,
    program: Program,
    arrays: readonly Float32Array[],
    numbers: readonly number[],
    out: Float32Array,
  ): void {
    const source = sourceOf(program, dialects[this.mode]);
    const kernel = createKernel(this.#gpu, source);
    const extents = Object.values(program.inputs);
    const call = (inputs: readonly Float32Array[], scalars: readonly number[]) =>
      kernel(...inputs.map((values, i) => this.#input(values, extents[i])), ...scalars);
    const slowly: RunInto = (inputs, scalars, into) => collect(call(inputs, scalars), source, program, into);
    try {
      const held = this.#privateHooks && this.mode === 'webasm' && this.#arena.hold(kernel.kernel);
      let run = this.#privateHooks && this.mode === 'cpu' ? writeRowsDirectly(kernel, call) : undefined;
      (run ?? slowly)(arrays, numbers, out);
      checkMode(kernel, this.mode, program.name);
      if (this.#privateHooks && this.mode === 'webasm') run = writeDirectly(kernel, program, source);
      const bytes = arrays.reduce((total, { byteLength }) => total + byteLength, out.byteLength);
      this.#kernels.set(key, { kernel, run: run ?? slowly }, this.#costOf(held, bytes));
    } catch (cause) {
      destroyKernel(this.#gpu, kernel);
      if (cause instanceof LinattnError) throw cause;
      throw new DeviceError(`${program.name}: gpu.js could not run it in mode ${this.mode}: ${String(cause)}`, {
        cause,
      });
    }
  }
}

/** Brings what gpu.js returns, arrays of arrays, into one flat array. */
function collect(result: unknown, source: Source, program: Program, out: Float32Array): void {
  if (!source.blocked) {
    flatten(result, out, 0);
    return;
  }
  const [width, blocks, depth] = source.output;
  const flat = new Float32Array(width * blocks * depth * 4);
  flatten(result, flat, 0);
  unblock(flat, 0, out, program.output);
}

function flatten(part: unknown, out: Float32Array, at: number): number {
  if (typeof part === 'number') {
    out[at] = part;
    return at + 1;
  }
  if (part instanceof Float32Array) {
    out.set(part, at);
    return at + part.length;
  }
  let end = at;
  for (const inner of part as readonly unknown[]) end = flatten(inner, out, end);
  return end;
}
