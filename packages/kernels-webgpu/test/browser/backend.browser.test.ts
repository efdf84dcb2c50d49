import { linearAttention, matmul, scope, tensor, vjp } from '@linattn/math';
import { failureOf, opCases, runCase } from '@linattn/math/conformance';
import { float64Backend } from '@linattn/math/float64';
import { afterAll, describe, expect, test } from 'vitest';
import { webgpuBackend } from '../../src/index.ts';

// The whole kit runs in tests/browser; here is what only this package promises, through Chromium's own WebGPU.
const compiled: [number, number][] = [];
const backend = await webgpuBackend({ onCompile: (done, total) => compiled.push([done, total]) });
afterAll(() => backend.dispose());

describe('in the page', () => {
  test.for(['linearAttention: causal B2 N70 H2 D5/4 order 1, l2', 'matmul: NT [] 65x257x33', 'layerNorm'])(
    'conformance: %s',
    async (start) => {
      const opCase = opCases.find(({ name }) => name.startsWith(start))!;
      const report = await runCase(backend, opCase, float64Backend());
      expect(failureOf(report)).toBeUndefined();
    },
  );

  test('kernels are compiled aside, with progress', () => {
    expect(compiled.length).toBeGreaterThan(0);
    expect(compiled.at(-1)![0]).toBe(compiled.at(-1)![1]);
  });

  test('a warm step allocates nothing and leaves nothing', async () => {
    const x = tensor(backend, new Float32Array(2 * 40 * 8).fill(0.1), [1, 40, 2, 8]);
    const step = async () => {
      const { outputs, pullback } = vjp(() => [linearAttention(x, x, x).output], [x]);
      const [gradient] = pullback(outputs);
      await gradient.read();
      for (const each of [...outputs, gradient]) each.dispose();
    };
    await step();
    await step();
    const before = backend.memory();
    await step();
    const after = backend.memory();
    expect(after.bytes + after.pooledBytes).toBe(before.bytes + before.pooledBytes);
    expect(after.buffers).toBe(before.buffers);
    x.dispose();
  });

  test('concurrent reads see the work recorded before them', async () => {
    const a = tensor(backend, [1, 2, 3, 4], [2, 2]);
    const products = scope(() => [matmul(a, a), matmul(a, a, false, true)]);
    const [first, second] = await Promise.all(products.map((product) => product.read()));
    expect([...first]).toEqual([7, 10, 15, 22]);
    expect([...second]).toEqual([5, 11, 11, 25]);
    for (const each of [a, ...products]) each.dispose();
  });
});
