import { float64Backend } from '@linattn/math/float64';
import { describe, expect, it } from 'vitest';
import type { DropoutMode } from '../src/index.ts';
import {
  dropoutVariance,
  enumerateDropout,
  explicitAttention,
  measureNoise,
  randomProblem,
  type SampleMoments,
  sampleDropout,
} from '../src/moments/index.ts';
import { standardErrors } from './support.ts';

// Every bound is a number of standard errors, themselves measured from the draws; `standardErrors` says how many, for all elements
// together. `dust` is what is no sampling error: rounding, and the 2^-24 that a dropped key still weighs.
const dust = 1e-6;
const draws = 10_000;
const backend = float64Backend();

/** The largest |given - expected| in units of what the draws allow: at most 1 where they agree. */
function disagreement(
  given: ArrayLike<number>,
  expected: ArrayLike<number>,
  ...errors: readonly ArrayLike<number>[]
): number {
  let worst = 0;
  for (let at = 0; at < given.length; at++) {
    const error = Math.hypot(...errors.map((of) => of[at]));
    worst = Math.max(worst, Math.abs(given[at] - expected[at]) / (standardErrors(given.length) * error + dust));
  }
  return worst;
}

const problems = [
  { shift: 0, rate: 0.1 },
  { shift: 1, rate: 0.1 },
  { shift: 1, rate: 0.4 },
];

describe.each(problems)('values shifted by $shift, rate $rate', ({ shift, rate }) => {
  const problem = randomProblem({ tokens: 8, headDim: 3, shift });
  const exact = enumerateDropout(problem, rate);
  const { output } = explicitAttention(problem);
  const measure = (mode: DropoutMode): Promise<SampleMoments> =>
    measureNoise(backend, problem, { mode, rate, seed: 42 }, draws);

  it('sampled real dropout has the mean and variance of going over all masks', () => {
    const sampled = sampleDropout(problem, rate, draws, 9);
    expect(disagreement(sampled.mean, exact.mean, sampled.meanError)).toBeLessThan(1);
    expect(disagreement(sampled.variance, exact.variance, sampled.varianceError)).toBeLessThan(1);
    // Masks of two queries are independent.
    const zero = new Float64Array(output.length);
    expect(disagreement(sampled.neighbourCovariance, zero, sampled.neighbourError)).toBeLessThan(1);
  });

  it('keys has the mean and variance of real dropout, at every position, but shares noise between queries', async () => {
    const keys = await measure('keys');
    expect(disagreement(keys.mean, exact.mean, keys.meanError)).toBeLessThan(1);
    expect(disagreement(keys.variance, exact.variance, keys.varianceError)).toBeLessThan(1);
    const zero = new Float64Array(output.length);
    expect(disagreement(keys.neighbourCovariance, zero, keys.neighbourError)).toBeGreaterThan(3);
  });

  it('matched keeps the mean, has the first-order variance of real dropout, and shares no noise', async () => {
    const matched = await measure('matched');
    const expected = dropoutVariance(problem, rate);
    expect(disagreement(matched.mean, output, matched.meanError)).toBeLessThan(1);
    expect(disagreement(matched.variance, expected, matched.varianceError)).toBeLessThan(1);
    const zero = new Float64Array(output.length);
    expect(disagreement(matched.neighbourCovariance, zero, matched.neighbourError)).toBeLessThan(1);
  });

  it('unbiased keeps the mean, and its variance is p õ²', async () => {
    const unbiased = await measure('unbiased');
    expect(disagreement(unbiased.mean, output, unbiased.meanError)).toBeLessThan(1);
    const expected = output.map((o) => rate * o ** 2);
    expect(disagreement(unbiased.variance, expected, unbiased.varianceError)).toBeLessThan(1);
  });

  it('paper scales the mean by 1 - p, which real dropout does not; its variance is (1 - p)² p õ²', async () => {
    const paper = await measure('paper');
    const scaled = output.map((o) => (1 - rate) * o);
    expect(disagreement(paper.mean, scaled, paper.meanError)).toBeLessThan(1);
    expect(disagreement(paper.mean, exact.mean, paper.meanError)).toBeGreaterThan(3);
    const expected = output.map((o) => (1 - rate) ** 2 * rate * o ** 2);
    expect(disagreement(paper.variance, expected, paper.varianceError)).toBeLessThan(1);
    expect(disagreement(paper.variance, exact.variance, paper.varianceError)).toBeGreaterThan(3);
  });
});

describe('the first-order variance', () => {
  it.each([0.05, 0.1, 0.3])('nears the exact one as keys grow in number, at rate %d', (rate) => {
    const problem = randomProblem({ tokens: 16, headDim: 8, mask: { mask: 'causal' } });
    const first = dropoutVariance(problem, rate);
    const exact = enumerateDropout(problem, rate).variance;
    const gapAt = (position: number) => {
      const sum = (x: Float64Array) => x.subarray((position - 1) * 8, position * 8).reduce((total, y) => total + y, 0);
      return Math.abs(sum(exact) / sum(first) - 1);
    };
    expect(gapAt(8)).toBeLessThan(gapAt(4));
    expect(gapAt(16)).toBeLessThan(gapAt(8));
  });

  it('is the O(N²) sum, for other masks too', () => {
    // Two keys of equal weight, one visible value difference of 2: o = 1, Σ a² (v - o)² = ½.
    const problem = randomProblem({ tokens: 2, headDim: 1, mask: { mask: 'bidirectional' } });
    const equal = { ...problem, q: Float64Array.of(1, 1), k: Float64Array.of(1, 1), v: Float64Array.of(0, 2) };
    for (const variance of dropoutVariance(equal, 0.2)) expect(variance).toBeCloseTo(0.125, 14);
    const both = enumerateDropout(equal, 0.2);
    // Both 0.64, one of them 0.16 each, none (all kept) 0.04.
    for (const variance of both.variance) expect(variance).toBeCloseTo(0.32, 14);
    for (const mean of both.mean) expect(mean).toBeCloseTo(1, 14);
  });

  it('refuses what it cannot go over', () => {
    expect(() => enumerateDropout(randomProblem({ tokens: 17 }), 0.1)).toThrow(/^tokens: expected at most 16/);
    expect(() => dropoutVariance(randomProblem({ tokens: 2 }), 1)).toThrow(/^rate: /);
  });
});
