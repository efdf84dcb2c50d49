import { linearAttention, type MaskOptions, random, vjp } from '@linattn/math';
import { afterAll, describe, expect, test } from 'vitest';
import { open } from './adapter.ts';

// Both ways to fill a panel move the same numbers to the same places.

const [vectors, numbers] = [await open({ wholeVectors: true }), await open({ wholeVectors: false })];
if (typeof vectors === 'string') console.warn(`whole vectors are not tested: ${vectors}`);

describe.skipIf(typeof vectors === 'string')('whole vectors in workgroup memory', () => {
  if (typeof vectors === 'string' || typeof numbers === 'string') return;
  afterAll(() => Promise.all([vectors.dispose(), numbers.dispose()]));

  test.each<[string, number, number, number, MaskOptions]>([
    ['causal', 75, 12, 20, { mask: 'causal' }],
    ['causal, ragged features', 33, 5, 3, { mask: 'causal' }],
    ['prefix', 70, 16, 16, { mask: 'prefix', prefix: 21 }],
    ['bidirectional', 40, 7, 18, { mask: 'bidirectional' }],
    ['one token', 1, 4, 4, { mask: 'causal' }],
  ])('%s: bits as where numbers are stored one by one', async (_, tokens, width, valueWidth, mask) => {
    const run = async (backend: typeof vectors) => {
      const [q, k, v, dO] = [width, width, valueWidth, valueWidth].map((features, i) =>
        random(backend, { shape: [2, tokens, 2, features], distribution: 'normal', key: [i, 5], stream: [0, 0] }),
      );
      const { outputs, pullback } = vjp(
        () => [linearAttention(q, k, v, { normalize: 'l2', ...mask }).output],
        [q, k, v],
      );
      const results = [...outputs, ...pullback([dO])];
      const found = await Promise.all(results.map((result) => result.read()));
      for (const each of [q, k, v, dO, ...results]) each.dispose();
      return found;
    };
    const [expected, found] = [await run(numbers), await run(vectors)];
    expect(Math.hypot(...expected[0])).toBeGreaterThan(0);
    expect(found).toEqual(expected);
  });
});
