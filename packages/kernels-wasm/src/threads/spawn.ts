import { builtin } from '../module/node.ts';
import { workerSource } from './worker-source.ts';

export interface WorkerStart {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  /** 1 and up; the calling thread is 0. */
  readonly index: number;
  /** How often a worker looks for the next job before it sleeps. */
  readonly spins: number;
}

export interface WorkerHandle {
  /** Ends it, also in the middle of a block. */
  terminate(): Promise<void>;
  /** Ends it as a crash would: `onDeath` hears of it. */
  kill(): Promise<void>;
}

/** Starts a worker that neither keeps the process alive nor needs a file. `onDeath` hears when it ends other than by `terminate`. */
export async function spawn(start: WorkerStart, onDeath: (cause: unknown) => void): Promise<WorkerHandle> {
  const threads = await builtin<typeof import('node:worker_threads')>('worker_threads');
  let ended = false;
  const died = (cause: unknown) => {
    if (!ended) onDeath(cause);
  };
  if (threads) {
    const worker = new threads.Worker(workerSource, { eval: true, workerData: start });
    worker.on('error', died);
    worker.on('exit', (code) => died(new Error(`the worker ended with code ${code}`)));
    worker.unref();
    const kill = async () => void (await worker.terminate());
    return {
      kill,
      terminate: () => {
        ended = true;
        return kill();
      },
    };
  }
  const url = URL.createObjectURL(new Blob([workerSource], { type: 'text/javascript' }));
  const worker = new Worker(url);
  worker.onerror = (event) => died(event);
  worker.postMessage(start);
  const kill = async () => {
    worker.terminate();
    URL.revokeObjectURL(url);
  };
  return {
    // Browsers say nothing when a worker is terminated.
    kill: () => kill().then(() => died(new Error('the worker was terminated'))),
    terminate: () => {
      ended = true;
      return kill();
    },
  };
}

/** Whether this thread may sleep: everywhere but on a page's main thread. */
export const maySleep = (): boolean => typeof document === 'undefined';

/** Why memory cannot be shared with workers here, which leaves one thread; undefined where it can: always in Node, in browsers on isolated pages. */
export function whySingleThreaded(): string | undefined {
  if ((globalThis as { crossOriginIsolated?: boolean }).crossOriginIsolated === false) {
    return 'this page is not cross-origin isolated, so memory cannot be shared with workers';
  }
  return typeof SharedArrayBuffer === 'undefined' ? 'this browser shares no memory with workers' : undefined;
}

/** Processors that this program may use. */
export async function processors(): Promise<number> {
  const os = await builtin<typeof import('node:os')>('os');
  if (os) return os.availableParallelism?.() ?? os.cpus().length;
  return globalThis.navigator?.hardwareConcurrency ?? 1;
}
