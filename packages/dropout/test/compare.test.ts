import { float64Backend } from '@linattn/math/float64';
import { expect, it } from 'vitest';
import { compareWithDropout, comparisonColumns } from '../src/moments/index.ts';
import { dropoutModes } from '../src/options.ts';

it('measures a mean, a variance and a correlation for real dropout and every mode', async () => {
  const settings = { tokens: 8, headDim: 4, heads: 2, draws: 1000, seed: 1 };
  const rowOf = await compareWithDropout(float64Backend(), settings, 1, 0.3);
  expect(comparisonColumns).toEqual(['real', ...dropoutModes]);
  // Means of 8 elements of 1000 draws: standard errors of a hundredth or less, and a tenth for variances.
  for (const mode of ['real', 'unbiased', 'matched', 'keys'] as const) expect(rowOf(mode, 8).mean).toBeCloseTo(1, 1);
  expect(rowOf('paper', 8).mean).toBeCloseTo(0.7, 1);
  const { variance } = rowOf('real', 8);
  expect(rowOf('keys', 8).variance / variance).toBeGreaterThan(0.7);
  expect(rowOf('keys', 8).variance / variance).toBeLessThan(1.3);
  expect(rowOf('unbiased', 8).variance / variance).toBeGreaterThan(2);
  expect(rowOf('keys', 8).correlation).toBeGreaterThan(0.5);
  expect(Math.abs(rowOf('matched', 8).correlation!)).toBeLessThan(0.2);
  expect(rowOf('real', 8).profile).toBe(0);
  // The first query has one key: nothing to drop.
  expect(rowOf('real', 1).variance).toBeLessThan(1e-12);
  expect(rowOf('keys', 2).correlation).toBeUndefined();
});
