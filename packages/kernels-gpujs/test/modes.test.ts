import { add, matmul, tensor } from '@linattn/math';
import { failureOf, opCases, runCase } from '@linattn/math/conformance';
import { beforeEach, describe, expect, test } from 'vitest';
import { createGpujsBackend } from '../src/index.ts';
import { installWebGPU } from './webgpu.ts';

// A small case of every operation; the whole kit runs in tests/conformance.
const seen = new Set<string>();
const sample = opCases.filter(({ op, size }) => size === 'small' && seen.size < seen.add(op).size);

const noWebGPU = await installWebGPU();

describe.each([
  { mode: 'cpu', privateHooks: true },
  { mode: 'cpu', privateHooks: false },
  { mode: 'webasm', privateHooks: true },
  { mode: 'webasm', privateHooks: false },
  { mode: 'webgpu', privateHooks: true },
] as const)('$mode, private hooks: $privateHooks', (options) => {
  beforeEach(({ skip }) => {
    if (options.mode === 'webgpu' && noWebGPU) skip(noWebGPU);
  });

  test('every operation agrees with float64', async () => {
    const backend = await createGpujsBackend(options);
    const failures = [];
    for (const opCase of sample) {
      const failure = failureOf(await runCase(backend, opCase));
      if (failure) failures.push(failure);
    }
    expect(failures).toEqual([]);
    await backend.dispose();
  });

  test('results can be read at once where they are there at once', async () => {
    const backend = await createGpujsBackend(options);
    expect(backend.downloadSync === undefined).toBe(options.mode === 'webgpu');
    const sum = add(tensor(backend, [1, 2, 3]), tensor(backend, [4, 5, 6]));
    expect([...(backend.downloadSync?.(sum.handle, sum) ?? (await sum.read()))]).toEqual([5, 7, 9]);
    await backend.dispose();
  });

  test.each([1, 2, 4, 5, 6, 7, 8, 13])('a product of %i rows, as many as fill blocks of four or not', async (rows) => {
    const backend = await createGpujsBackend(options);
    const a = tensor(
      backend,
      Float32Array.from({ length: 2 * rows * 3 }, (_, i) => i + 1),
      [2, rows, 3],
    );
    const b = tensor(
      backend,
      Float32Array.from({ length: 2 * 3 * 5 }, (_, i) => (i % 7) - 3),
      [2, 3, 5],
    );
    const [left, right] = [await a.read(), await b.read()];
    const expected = Array.from({ length: 2 * rows * 5 }, (_, at) => {
      const [z, y, x] = [Math.floor(at / (rows * 5)), Math.floor(at / 5) % rows, at % 5];
      return [0, 1, 2].reduce((sum, k) => sum + left[(z * rows + y) * 3 + k] * right[(z * 3 + k) * 5 + x], 0);
    });
    expect([...(await matmul(a, b).read())]).toEqual(expected);
    await backend.dispose();
  });
});
