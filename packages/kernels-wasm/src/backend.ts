import type { Backend, FloatArray, Handle, TensorSpec } from '@linattn/math';
import { sizeOf, ValueError } from '@linattn/math';
import { Device } from './device.ts';
import { kernelsOf } from './kernels/index.ts';
import { pageBytes } from './layout.ts';
import type { Block } from './memory/arena.ts';
import { reserve } from './memory/reserve.ts';
import { hasRelaxedSimd, requireSimd } from './module/features.ts';
import { type Build, inlined, loadModule, type WasmSource } from './module/load.ts';
import { Pool } from './threads/pool.ts';
import { processors, whySingleThreaded } from './threads/spawn.ts';

/** What `createWasmBackend` is told; all of it has a default. */
export interface WasmOptions {
  /**
   * Threads that compute, the calling one included. Default: as many as there are processors. It is 1 whatever is asked for on
   * pages that are not cross-origin isolated: see `WasmBackend.threads`.
   */
  readonly threads?: number;
  /** `auto` (default): fused multiply-add where the engine has it. The two builds differ in the last bits of results. */
  readonly simd?: 'auto' | 'plain';
  /** Memory to begin with. Default 16 MiB; it grows. */
  readonly initialBytes?: number;
  /** Most memory it may grow to. Default 4 GiB, WebAssembly's limit; less where the browser cannot reserve so much (Safari on telephones). */
  readonly maximumBytes?: number;
  /** A worker that keeps others waiting for so long counts as dead. Default 60,000. */
  readonly workerTimeoutMs?: number;
  /** Where the module comes from. Default: inlined in the JavaScript, loaded on first use. */
  readonly source?: WasmSource;
}

/** A backend on WebAssembly, with what it found. */
export interface WasmBackend extends Backend {
  /** Threads in use, the calling one included. */
  readonly threads: number;
  /** Why it runs on one thread although more were wanted. */
  readonly singleThreadedBecause?: string;
  /** `relaxed` has fused multiply-add. */
  readonly build: Build;
}

const fourGiB = 2 ** 32;

/**
 * float32 on SIMD WebAssembly, in Node and browsers. Kernels run at once, on this thread and its workers; every result is the
 * same whatever the number of threads.
 * @throws UnsupportedError without 128-bit SIMD, ValueError for bad options, DeviceError when the module cannot be loaded.
 */
export async function createWasmBackend(options: WasmOptions = {}): Promise<WasmBackend> {
  const { simd = 'auto', initialBytes = 2 ** 24, maximumBytes = fourGiB, workerTimeoutMs = 60_000 } = options;
  checkOptions({ simd, initialBytes, maximumBytes, workerTimeoutMs, threads: options.threads ?? 1 });
  requireSimd();
  const build: Build = simd === 'auto' && (await hasRelaxedSimd()) ? 'relaxed' : 'plain';
  const wanted = options.threads ?? (await processors());
  const alone = whySingleThreaded();
  const module = await loadModule(options.source ?? inlined, build);
  const most = Math.floor(maximumBytes / pageBytes);
  const { memory, maximum } = reserve(Math.min(Math.max(2, Math.ceil(initialBytes / pageBytes)), most), most);
  const workers = alone ? 0 : wanted - 1;
  const pool = await Pool.start({ module, memory, workers, timeoutMs: workerTimeoutMs });
  const names = WebAssembly.Module.exports(module).map(({ name }) => name);
  const device = new Device(memory, maximum * pageBytes, pool, names);
  const downloadSync = (handle: Handle, spec: TensorSpec): FloatArray | Int32Array => {
    const { address } = handle as Block;
    const size = sizeOf(spec.shape);
    return (spec.dtype === 'int32' ? device.integers(address, size) : device.floats(address, size)).slice();
  };
  return {
    name: 'wasm',
    dtype: 'float32',
    limits: { maxElements: 2 ** 30 - 2 ** 16 },
    threads: workers + 1,
    ...(wanted > 1 && alone ? { singleThreadedBecause: alone } : {}),
    build,
    kernels: kernelsOf(device),
    upload: (values: ArrayLike<number>, spec: TensorSpec): Handle => {
      const [block] = device.produce('upload', [spec], (address) => {
        const view =
          spec.dtype === 'int32' ? device.integers(address, values.length) : device.floats(address, values.length);
        view.set(values);
      });
      return block;
    },
    download: async (handle: Handle, spec: TensorSpec) => downloadSync(handle, spec),
    downloadSync,
    release: (handle: Handle) => device.release(handle as Block),
    memory: () => device.usage,
    dispose: () => device.dispose(),
  };
}

function checkOptions(options: Required<Omit<WasmOptions, 'source'>>): void {
  const { threads, simd, initialBytes, maximumBytes, workerTimeoutMs } = options;
  if (!(Number.isInteger(threads) && threads >= 1 && threads <= 64)) {
    throw new ValueError('threads', threads, 'an integer from 1 to 64');
  }
  if (simd !== 'auto' && simd !== 'plain') throw new ValueError('simd', simd, 'auto | plain');
  if (!(maximumBytes >= 2 ** 20 && maximumBytes <= fourGiB)) {
    throw new ValueError('maximumBytes', maximumBytes, `a number from 1 MiB to 4 GiB`);
  }
  if (!(initialBytes >= 0 && initialBytes <= maximumBytes)) {
    throw new ValueError('initialBytes', initialBytes, `a number from 0 to maximumBytes (${maximumBytes})`);
  }
  if (!(workerTimeoutMs > 0)) throw new ValueError('workerTimeoutMs', workerTimeoutMs, 'a number > 0');
}
