import './ensure-wasm.ts';
import {
  fill,
  linear,
  linearAttention,
  mul,
  random,
  reshape,
  scope,
  sum,
  type Tensor,
  tensor,
  UnsupportedError,
  ValueError,
  valueAndGrad,
} from '@linattn/math';
import { adamW } from '@linattn/math/network';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { createWasmBackend, OutOfMemoryError, type WasmBackend, whySingleThreaded } from '../src/index.ts';
import { Arena } from '../src/memory/arena.ts';

/** One training step of a small attention layer. */
function trainingStep(backend: WasmBackend, weight: Tensor, moments: Tensor[], step: number): void {
  scope(() => {
    const x = random(backend, { shape: [2, 50, 12], distribution: 'normal', key: [1, 2], stream: [step, 0] });
    const { value, gradients } = valueAndGrad(
      () =>
        scope(() => {
          const y = reshape(linear(x, weight), [2, 50, 3, 4]);
          const { output } = linearAttention(y, y, y, { normalize: 'l2' });
          return sum(mul(output, output));
        }),
      [weight],
    );
    const [gradient] = gradients;
    adamW([{ parameter: weight, gradient, moment1: moments[0], moment2: moments[1] }], fill(backend, [], 1), {
      learningRate: 1e-3,
      beta1: 0.9,
      beta2: 0.99,
      epsilon: 1e-8,
      step,
      weightDecay: [0.01],
    });
    gradient.dispose();
    value.dispose();
  });
}

describe('memory', () => {
  test('1,000 training steps leave memory as the tenth left it', async () => {
    const backend = await createWasmBackend({ threads: 2 });
    const weight = fill(backend, [12, 12], 0.1);
    const moments = [fill(backend, [12, 12], 0), fill(backend, [12, 12], 0)];
    for (let step = 1; step <= 10; step++) trainingStep(backend, weight, moments, step);
    const warm = backend.memory();
    for (let step = 11; step <= 1000; step++) trainingStep(backend, weight, moments, step);
    expect(backend.memory()).toEqual(warm);
    expect(warm.buffers).toBe(3);
    expect((await weight.read()).every(Number.isFinite)).toBe(true);
    await backend.dispose();
  });

  test('the limit is a typed error that names the operation and the bytes, and the backend lives on', async () => {
    const backend = await createWasmBackend({ threads: 1, maximumBytes: 2 ** 24 });
    const x = fill(backend, [1000], 1);
    const used = backend.memory();
    let error: unknown;
    try {
      fill(backend, [4096, 4096], 1);
    } catch (caught) {
      error = caught;
    }
    expect(error).toBeInstanceOf(OutOfMemoryError);
    expect(error).toMatchObject({ code: 'OUT_OF_MEMORY', argument: 'fill', wanted: 2 ** 26 });
    expect(backend.memory().buffers).toBe(used.buffers);
    expect(await sum(x).item()).toBe(1000);
    await backend.dispose();
  });

  test('where an engine cannot reserve all that was asked for, the most that it can is the limit', async () => {
    const most = 1000;
    const { Memory } = WebAssembly;
    // As Safari on a telephone.
    WebAssembly.Memory = class extends Memory {
      constructor(asked: WebAssembly.MemoryDescriptor) {
        if (asked.maximum! > most) throw new RangeError('Out of memory');
        super(asked);
      }
    };
    const backend = await createWasmBackend({ threads: 2 }).finally(() => (WebAssembly.Memory = Memory));
    const x = fill(backend, [2 ** 22], 1);
    expect(await sum(x).item()).toBe(2 ** 22);
    expect(() => fill(backend, [2 ** 24], 1)).toThrow(OutOfMemoryError);
    await backend.dispose();
  });

  test('memory grows while workers sleep, and they see what is new', async () => {
    const backend = await createWasmBackend({ threads: 2, initialBytes: 0 });
    const x = fill(backend, [1024, 1024], 3);
    expect(await sum(x).item()).toBe(3 * 1024 * 1024);
    const y = fill(backend, [4, 1024, 1024], 2);
    expect(await sum(y).item()).toBe(8 * 1024 * 1024);
    await backend.dispose();
  });
});

describe('the arena', () => {
  test('merges what is released, keeps blocks apart and reuses them', () => {
    let end = 0;
    const arena = new Arena(65536, (to) => {
      end = Math.max(end, to);
      return to <= 2 ** 20;
    });
    const seed = (i: number) => ((i * 2654435761) >>> 0) / 2 ** 32;
    const live = new Map<number, ReturnType<Arena['allocate']>>();
    for (let i = 0; i < 5000; i++) {
      if (live.size > 20 || (live.size > 0 && seed(i) < 0.45)) {
        const [key, block] = [...live][Math.floor(seed(i + 7) * live.size)];
        live.delete(key);
        arena.release(block!);
      } else {
        const block = arena.allocate(1 + Math.floor(seed(i + 3) * 20000))!;
        for (const other of live.values()) {
          expect(block.address >= other!.address + other!.bytes || other!.address >= block.address + block.bytes).toBe(
            true,
          );
        }
        live.set(i, block);
      }
    }
    for (const block of live.values()) arena.release(block!);
    expect(arena.liveBlocks).toBe(0);
    expect(arena.freeBytes).toBe(end - 65536);
    // All merged: one block takes everything.
    const before = end;
    expect(arena.allocate(before - 65536)?.address).toBe(65536);
    expect(end).toBe(before);
    expect(arena.allocate(2 ** 21)).toBeUndefined();
  });
});

describe('options and engines', () => {
  afterEach(() => void vi.restoreAllMocks());

  test.each([
    [{ threads: 0 }, 'threads'],
    [{ threads: 1.5 }, 'threads'],
    [{ maximumBytes: 2 ** 33 }, 'maximumBytes'],
    [{ initialBytes: -1 }, 'initialBytes'],
    [{ workerTimeoutMs: 0 }, 'workerTimeoutMs'],
    [{ simd: 'scalar' as 'plain' }, 'simd'],
  ])('%o is a ValueError', async (options, argument) => {
    await expect(createWasmBackend(options)).rejects.toThrow(ValueError);
    await expect(createWasmBackend(options)).rejects.toMatchObject({ argument });
  });

  test('an engine without SIMD is refused', async () => {
    vi.spyOn(WebAssembly, 'validate').mockReturnValue(false);
    await expect(createWasmBackend({ simd: 'plain' })).rejects.toThrow(UnsupportedError);
  });

  test('pages that are not isolated run on one thread and say so', async () => {
    vi.stubGlobal('crossOriginIsolated', false);
    const backend = await createWasmBackend({ threads: 4 });
    vi.unstubAllGlobals();
    expect(backend.threads).toBe(1);
    expect(backend.singleThreadedBecause).toMatch(/cross-origin isolated/);
    expect(await tensor(backend, [1, 2]).read()).toEqual(Float32Array.of(1, 2));
    await backend.dispose();
  });

  test('a browser without shared memory says so', () => {
    expect(whySingleThreaded()).toBeUndefined();
    vi.stubGlobal('SharedArrayBuffer', undefined);
    expect(whySingleThreaded()).toMatch(/this browser shares no memory/);
    vi.unstubAllGlobals();
  });

  test('the modules as files', async () => {
    const { wasmFiles } = await import('../src/url.ts');
    const backend = await createWasmBackend({ source: wasmFiles, threads: 1 });
    expect(await sum(fill(backend, [10], 2)).item()).toBe(20);
    await backend.dispose();
  });

  test('a module that cannot be loaded is a DeviceError', async () => {
    const source = async () => new Uint8Array([1, 2, 3]);
    await expect(createWasmBackend({ source })).rejects.toMatchObject({ code: 'DEVICE' });
  });
});
