import { type BackendMemory, DeviceError, sizeOf, type Tensor, type TensorSpec } from '@linattn/math';
import { OutOfMemoryError } from './errors.ts';
import { arenaStart, argumentsAddress, argumentsLimit, pageBytes } from './layout.ts';
import { Arena, type Block } from './memory/arena.ts';
import type { Pool } from './threads/pool.ts';

/** Kernels may read, not write, one vector past an array. */
const margin = 64;

const bytesOf = (spec: TensorSpec): number => sizeOf(spec.shape) * 4;

/** Memory and threads as kernels see them. */
export class Device {
  readonly #memory: WebAssembly.Memory;
  readonly #maximumBytes: number;
  readonly #pool: Pool;
  readonly #kernelIndex: ReadonlyMap<string, number>;
  readonly #arguments: Float64Array;
  readonly #live = new Set<Block>();
  readonly #internal = new Set<Block>();
  #arena: Arena;
  #disposed = false;

  constructor(memory: WebAssembly.Memory, maximumBytes: number, pool: Pool, kernels: readonly string[]) {
    this.#memory = memory;
    this.#maximumBytes = maximumBytes;
    this.#pool = pool;
    this.#kernelIndex = new Map(kernels.map((name, i) => [name, i]));
    this.#arguments = new Float64Array(memory.buffer, argumentsAddress, argumentsLimit);
    this.#arena = new Arena(arenaStart, (end) => this.#reach(end));
  }

  get threads(): number {
    return this.#pool.threads;
  }

  /** Buffers that tensors own, and bytes in the arena that they do not. */
  get usage(): BackendMemory {
    let internal = 0;
    for (const block of this.#internal) internal += block.bytes;
    const { liveBlocks, liveBytes, freeBytes } = this.#arena;
    return {
      buffers: liveBlocks - this.#internal.size,
      bytes: liveBytes - internal,
      pooledBytes: freeBytes + internal,
    };
  }

  /** @throws OutOfMemoryError naming the operation. */
  allocate(operation: string, bytes: number): Block {
    if (this.#disposed) throw new DeviceError('wasm: the backend was disposed');
    const block = this.#arena.allocate(bytes);
    if (!block) throw new OutOfMemoryError(operation, bytes, this.#arena.liveBytes, this.#maximumBytes);
    this.#live.add(block);
    return block;
  }

  release(block: Block): void {
    // After dispose() all blocks are gone already.
    this.#internal.delete(block);
    if (this.#live.delete(block)) this.#arena.release(block);
  }

  /** Memory that a kernel keeps for itself: not counted as a live buffer. */
  allocateInternal(operation: string, bytes: number): Block {
    const block = this.allocate(operation, bytes);
    this.#internal.add(block);
    return block;
  }

  /** Memory for the time of `body`. */
  borrow<T>(operation: string, bytes: number, body: (address: number) => T): T {
    const block = this.allocate(operation, bytes);
    try {
      return body(block.address);
    } finally {
      this.release(block);
    }
  }

  /** Allocates the outputs, lets `body` fill them, and gives them back if it fails. */
  produce(operation: string, specs: readonly TensorSpec[], body: (...addresses: number[]) => void): Block[] {
    const blocks: Block[] = [];
    try {
      for (const spec of specs) blocks.push(this.allocate(operation, bytesOf(spec)));
      body(...blocks.map((block) => block.address));
      return blocks;
    } catch (error) {
      for (const block of blocks) this.release(block);
      throw error;
    }
  }

  /** Runs `blocks` blocks of a kernel with these arguments; every thread taking part gets `scratchBytes` of its own. */
  run(kernel: string, blocks: number, values: readonly number[], scratchBytes = 0): void {
    const index = this.#kernelIndex.get(kernel)!;
    for (let i = 0; i < values.length; i++) this.#arguments[i] = values[i];
    if (scratchBytes === 0) {
      this.#pool.run(index, blocks, 0, 0);
      return;
    }
    const own = Math.ceil(scratchBytes / margin) * margin;
    const threads = Math.min(this.threads, blocks);
    // Any worker may come first, so each needs its place as soon as there is more than one block.
    this.borrow(kernel, own * (threads > 1 ? this.threads : 1), (address) =>
      this.#pool.run(index, blocks, address, own),
    );
  }

  floats(address: number, length: number): Float32Array {
    return new Float32Array(this.#memory.buffer, address, length);
  }

  integers(address: number, length: number): Int32Array {
    return new Int32Array(this.#memory.buffer, address, length);
  }

  doubles(address: number, length: number): Float64Array {
    return new Float64Array(this.#memory.buffer, address, length);
  }

  async dispose(): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#live.clear();
    this.#internal.clear();
    this.#arena = new Arena(arenaStart, () => false);
    await this.#pool.dispose();
  }

  /** Grows by an eighth at least, so that a growing program does not ask for every page by itself. */
  #reach(end: number): boolean {
    const wanted = end + margin;
    const now = this.#memory.buffer.byteLength;
    if (wanted <= now) return true;
    if (wanted > this.#maximumBytes) return false;
    const pages = (bytes: number) => Math.ceil((Math.min(bytes, this.#maximumBytes) - now) / pageBytes);
    for (const target of [Math.max(wanted, now + now / 8), wanted]) {
      try {
        this.#memory.grow(pages(target));
        return true;
      } catch {
        // The system may have less than we may ask for: try the bare need, then give up.
      }
    }
    return false;
  }
}

/** Address of a tensor's numbers; 0 for an absent one. */
export const address = (tensor: Tensor | undefined): number => (tensor ? (tensor.handle as Block).address : 0);
