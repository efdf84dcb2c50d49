import { DeviceError } from '@linattn/math';
import { argumentsAddress, controlWords as c, scratchWords } from '../layout.ts';
import { maySleep, spawn, type WorkerHandle } from './spawn.ts';

/** One block of a kernel's work. */
export type BlockKernel = (block: number, args: number, scratch: number) => void;

export interface PoolOptions {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  /** Workers beside the calling thread. */
  readonly workers: number;
  /** A worker that stays in one job for so long after all others left counts as dead. */
  readonly timeoutMs: number;
}

const spins = 2000;

/**
 * The calling thread and its workers share a job by taking blocks from one counter. The caller opens the job, takes part, closes
 * it and waits for those inside: a worker that sleeps too long, or is dead, is simply not waited for. Which thread does a block
 * never matters to its result.
 */
export class Pool {
  readonly #kernels: BlockKernel[];
  readonly #words: Int32Array;
  readonly #scratch: Float64Array;
  readonly #timeoutMs: number;
  readonly #maySleep = maySleep();
  #workers: readonly WorkerHandle[] = [];
  #failure: DeviceError | undefined;
  #job = 0;

  private constructor(instance: WebAssembly.Instance, { memory, timeoutMs }: PoolOptions) {
    this.#kernels = Object.values(instance.exports) as BlockKernel[];
    this.#words = new Int32Array(memory.buffer, 0, argumentsAddress / 4);
    this.#scratch = new Float64Array(memory.buffer, scratchWords * 8, 2);
    this.#timeoutMs = timeoutMs;
  }

  static async start(options: PoolOptions): Promise<Pool> {
    const { module, memory, workers } = options;
    const pool = new Pool(new WebAssembly.Instance(module, { env: { memory } }), options);
    pool.#workers = await Promise.all(
      Array.from({ length: workers }, (_, i) =>
        spawn({ module, memory, index: i + 1, spins }, (cause) => pool.#fail(`worker ${i + 1} died`, cause)),
      ),
    );
    return pool;
  }

  get workers(): readonly WorkerHandle[] {
    return this.#workers;
  }

  /** Threads that share a job, the caller's included. */
  get threads(): number {
    return this.#workers.length + 1;
  }

  /**
   * Runs every block of a kernel; arguments are already in memory. Thread t has `scratchBytes` from `scratch + t scratchBytes`.
   * @throws DeviceError when a worker died, or a kernel trapped.
   */
  run(kernel: number, blocks: number, scratch: number, scratchBytes: number): void {
    if (this.#failure) throw this.#failure;
    const run = this.#kernels[kernel];
    try {
      if (blocks > 1 && this.#workers.length > 0) this.#share(run, kernel, blocks, scratch, scratchBytes);
      else for (let block = 0; block < blocks; block++) run(block, argumentsAddress, scratch);
    } catch (cause) {
      throw this.#fail('a kernel trapped', cause);
    }
  }

  #share(run: BlockKernel, kernel: number, blocks: number, scratch: number, scratchBytes: number): void {
    const words = this.#words;
    this.#scratch[0] = scratch;
    this.#scratch[1] = scratchBytes;
    words[c.kernel] = kernel;
    words[c.blocks] = blocks;
    Atomics.store(words, c.next, 0);
    this.#job = (this.#job % 0x7fffffff) + 1;
    Atomics.store(words, c.open, this.#job);
    Atomics.store(words, c.job, this.#job);
    Atomics.notify(words, c.job);
    try {
      for (let block = Atomics.add(words, c.next, 1); block < blocks; block = Atomics.add(words, c.next, 1)) {
        run(block, argumentsAddress, scratch);
      }
    } finally {
      Atomics.store(words, c.open, 0);
      this.#waitForWorkers();
    }
    if (Atomics.load(words, c.failed)) throw new WebAssembly.RuntimeError('in a worker');
  }

  async dispose(): Promise<void> {
    this.#failure ??= new DeviceError('wasm: the backend was disposed');
    Atomics.store(this.#words, c.job, -1);
    Atomics.notify(this.#words, c.job);
    const workers = this.#workers;
    this.#workers = [];
    await Promise.all(workers.map((worker) => worker.terminate()));
  }

  #waitForWorkers(): void {
    const words = this.#words;
    for (let spin = 0; spin < spins; spin++) if (Atomics.load(words, c.active) === 0) return;
    const deadline = performance.now() + this.#timeoutMs;
    for (let active = Atomics.load(words, c.active); active !== 0; active = Atomics.load(words, c.active)) {
      if (this.#maySleep) Atomics.wait(words, c.active, active, 100);
      if (performance.now() > deadline) throw this.#fail(`a worker did not finish its block in ${this.#timeoutMs} ms`);
    }
  }

  #fail(what: string, cause?: unknown): DeviceError {
    this.#failure ??= new DeviceError(`wasm: ${what}; make a new backend`, { cause });
    return this.#failure;
  }
}
