import './ensure-wasm.ts';
import { indices, mul, random, scope, sum, type Tensor, valueAndGrad } from '@linattn/math';
import { compare, tolerances } from '@linattn/math/conformance';
import { linearCrossEntropy, weightedLinearCrossEntropy } from '@linattn/math/network';
import { afterAll, describe, expect, test } from 'vitest';
import { createWasmBackend } from '../src/index.ts';

// Beyond the conformance kit: sizes that take several blocks of rows, pieces of the vocabulary and depths of a product, and targets
// that are no words. The kernels that make losses and gradients apart are the measure.
describe.each(['plain', 'auto'] as const)('build %s', async (simd) => {
  const backend = await createWasmBackend({ simd, threads: 2 });
  afterAll(() => backend.dispose());
  const draw = (shape: number[], id: number) =>
    random(backend, { shape, distribution: 'normal', key: [3, 5], stream: [id, 0] });

  test.each([
    [1, 64, 2000],
    [300, 24, 1025],
    [129, 600, 1500],
    [260, 40, 1024],
    [7, 3, 20000],
  ])('%i rows of %i, %i words: as losses and gradients made apart', async (rows, width, words) => {
    const results = scope(() => {
      const [x, weight, weights] = [draw([rows, width], 0), draw([words, width], 1), draw([rows], 2)];
      const targets = indices(
        backend,
        Array.from({ length: rows }, (_, i) => (i % 5 === 3 ? [-1, words, words + 7][i % 3] : (i * 7919) % words)),
      );
      const differentiate = (loss: () => Tensor) => {
        const { value, gradients } = valueAndGrad(loss, [x, weight, weights]);
        return [value, ...gradients];
      };
      return [
        differentiate(() => weightedLinearCrossEntropy(x, weight, targets, weights)),
        differentiate(() => sum(mul(linearCrossEntropy(x, weight, targets), weights))),
      ];
    });
    const [found, expected] = await Promise.all(
      results.map((each) => Promise.all(each.map((tensor) => tensor.read()))),
    );
    for (const [i, values] of found.entries()) {
      const { finite, normError } = compare('x', values, expected[i]);
      expect(finite).toBe(true);
      expect(normError).toBeLessThan(tolerances.float32);
    }
    for (const tensor of results.flat()) tensor.dispose();
    expect(backend.memory().buffers).toBe(0);
  });
});
