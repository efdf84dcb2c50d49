import { add, sum, type Tensor, tensor, transpose } from '@linattn/math';
import { describe, expect, test } from 'vitest';
import { createGpujsBackend } from '../src/index.ts';
import { installWebGPU } from './webgpu.ts';

const noWebGPU = await installWebGPU();

// More than WebGPU's 65,535 workgroups along an axis, as long sequences of small heads have.
describe.each(['webasm', 'webgpu'] as const)('%s', (mode) => {
  test.for([
    [3, 70_001, 2],
    [2, 3, 70_001],
    [2, 530_001, 2],
  ])('[%i, %i, %i]: reversed, broadcast and summed', async ([n, m, k], { skip }) => {
    if (mode === 'webgpu' && noWebGPU) skip(noWebGPU);
    const backend = await createGpujsBackend({ mode });
    const values = Float32Array.from({ length: n * m * k }, (_, i) => i % 101);
    const at = (z: number, y: number, x: number) => values[(z * m + y) * k + x];
    const x = tensor(backend, values, [n, m, k]);
    const check = async (result: Tensor, expected: (i: number) => number) => {
      const found = await result.read();
      const wrong = found.findIndex((value, i) => value !== expected(i));
      expect(wrong, `element ${wrong}: ${found[wrong]} instead of ${expected(wrong)}`).toBe(-1);
    };
    await check(transpose(x, [1, 2, 0]), (i) => at(i % n, Math.floor(i / (k * n)), Math.floor(i / n) % k));
    const row = tensor(
      backend,
      Float32Array.from({ length: n }, (_, i) => 10 * i),
      [n, 1, 1],
    );
    await check(add(x, row), (i) => values[i] + 10 * Math.floor(i / (m * k)));
    await check(sum(x, [2]), (i) => Array.from({ length: k }, (_, j) => values[i * k + j]).reduce((a, b) => a + b));
    await backend.dispose();
  });
});
