import './ensure-wasm.ts';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import {
  add,
  type Backend,
  DeviceError,
  fill,
  indices,
  linearAttention,
  matmul,
  mul,
  random,
  scope,
  sum,
  type Tensor,
  valueAndGrad,
} from '@linattn/math';
import { layerNorm, linearCrossEntropy, weightedLinearCrossEntropy } from '@linattn/math/network';
import { describe, expect, test } from 'vitest';
import { createWasmBackend } from '../src/index.ts';
import { controlWords } from '../src/layout.ts';
import { Pool } from '../src/threads/pool.ts';

/** A bit of everything that is cut into blocks or summed over blocks; values and gradients. */
async function fingerprint(backend: Backend): Promise<number[][]> {
  const draw = (shape: number[], id: number) =>
    random(backend, { shape, distribution: 'normal', key: [7, 9], stream: [id, 0] });
  const [batch, tokens, heads, width, vocabulary, manyWords] = [1, 700, 3, 24, 1000, 2500];
  const features = heads * width;
  const x = draw([batch, tokens, heads, width], 0);
  const weight = draw([features], 1);
  const bias = draw([features], 2);
  const projection = draw([features, features], 3);
  const head = draw([vocabulary, features], 4);
  const largeHead = draw([manyWords, features], 5);
  const weights = draw([batch * tokens], 6);
  const targets = indices(
    backend,
    Array.from({ length: batch * tokens }, (_, i) => (i * 37) % vocabulary),
  );
  const rows = (t: Tensor) => t.view([batch * tokens, features]);
  const { value, gradients } = valueAndGrad(
    () =>
      scope(() => {
        const { output } = linearAttention(x, x, x, { normalize: 'l2' });
        const normalized = layerNorm(rows(output), weight, bias);
        const hidden = matmul(normalized, projection);
        const losses = linearCrossEntropy(hidden, head, targets);
        const weighted = [head, largeHead].map((to) => weightedLinearCrossEntropy(hidden, to, targets, weights));
        return add(sum(mul(losses, fill(backend, [1], 1 / tokens))), add(weighted[0], weighted[1]));
      }),
    [x, weight, bias, projection, head, largeHead],
  );
  return Promise.all([value, ...gradients].map(async (tensor) => [...(await tensor.read())]));
}

describe('threads', () => {
  test('results are the same, bit by bit, on 1, 2 and 3 threads', async () => {
    const results = [];
    for (const threads of [1, 2, 3]) {
      const backend = await createWasmBackend({ threads });
      expect(backend.threads).toBe(threads);
      expect(backend.singleThreadedBecause).toBeUndefined();
      results.push(await fingerprint(backend));
      await backend.dispose();
    }
    expect(results[1]).toEqual(results[0]);
    expect(results[2]).toEqual(results[0]);
  });

  test('a process that leaves a backend open ends by itself', async () => {
    const script = `
      import { createWasmBackend } from './src/index.ts';
      import { fill, matmul } from '@linattn/math';
      const backend = await createWasmBackend({ threads: 2 });
      const x = fill(backend, [512, 512], 1);
      console.log((await matmul(x, x).read())[0]);
    `;
    const vite = new URL('./run-source.mjs', import.meta.url).pathname;
    const { stdout } = await promisify(execFile)(process.execPath, [vite, script], { timeout: 30_000 });
    expect(stdout.trim()).toBe('512');
  });

  test('dispose() twice is once, and later use is an error', async () => {
    const backend = await createWasmBackend({ threads: 2 });
    await backend.dispose();
    await backend.dispose();
    expect(() => fill(backend, [4], 1)).toThrow(DeviceError);
    expect(backend.memory()).toEqual({ buffers: 0, bytes: 0, pooledBytes: 0 });
  });
});

describe('a worker that fails', () => {
  // A module of two kernels, (block, args, scratch) -> nothing: 0 does nothing, 1 traps.
  const kernels = Uint8Array.from(
    [
      '00 61 73 6d 01 00 00 00',
      '01 07 01 60 03 7f 7f 7f 00',
      '02 12 01 03 65 6e 76 06 6d 65 6d 6f 72 79 02 03 01 80 80 04',
      '03 03 02 00 00',
      '07 0f 02 04 69 64 6c 65 00 00 04 74 72 61 70 00 01',
      '0a 08 02 02 00 0b 03 00 00 0b',
    ]
      .join(' ')
      .split(' '),
    (byte) => Number.parseInt(byte, 16),
  );
  const [idle, trap] = [0, 1];
  const start = async (workers: number, timeoutMs = 60_000) => {
    const module = await WebAssembly.compile(kernels);
    const memory = new WebAssembly.Memory({ initial: 2, maximum: 65536, shared: true });
    return { pool: await Pool.start({ module, memory, workers, timeoutMs }), memory };
  };

  test.each([0, 1])('a trap with %i workers is a DeviceError, now and later', async (workers) => {
    const { pool } = await start(workers);
    pool.run(idle, 100, 0, 0);
    expect(() => pool.run(trap, 100, 0, 0)).toThrow(DeviceError);
    expect(() => pool.run(idle, 100, 0, 0)).toThrow(DeviceError);
    await pool.dispose();
  });

  test('a worker killed between jobs is a DeviceError in the next', async () => {
    const { pool } = await start(2);
    await pool.workers[0].kill();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(() => pool.run(idle, 1, 0, 0)).toThrow(DeviceError);
    await pool.dispose();
  });

  test('a worker that died inside a job is a DeviceError after the timeout, not a hang', async () => {
    const { pool, memory } = await start(1, 200);
    // What a worker leaves behind that entered and never came out.
    Atomics.add(new Int32Array(memory.buffer), controlWords.active, 1);
    expect(() => pool.run(idle, 2, 0, 0)).toThrow(/did not finish/);
    expect(() => pool.run(idle, 1, 0, 0)).toThrow(DeviceError);
    await pool.dispose();
  });
});
