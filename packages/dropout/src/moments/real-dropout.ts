import { philox4x32, ValueError } from '@linattn/math';
import { checkRate } from '../options.ts';
import { type AttentionProblem, explicitAttention } from './problem.ts';
import { SampleMoments } from './sample.ts';

// Real attention dropout: query i drops key n with probability p, every pair on its own, and what is left is renormalised. A query
// whose keys are all dropped keeps them all: 0/0 has no other sensible reading.

/** Adds a_in [v_n, 1] of the kept keys to `total` [D + 1]; `total` is overwritten with the output where any key was kept. */
function renormalised(total: Float64Array, fallback: Float64Array, out: Float64Array): void {
  const g = total[total.length - 1];
  for (let d = 0; d < out.length; d++) out[d] = g > 0 ? total[d] / g : fallback[d];
}

/**
 * Its variance to first order in the mask [N, D]: p/(1-p) Σ_n a_in² (v_n - o_i)², in O(N² D). Exact as the number of keys that
 * matter grows; for a few keys the true variance is larger.
 */
export function dropoutVariance(problem: AttentionProblem, rate: number): Float64Array {
  checkRate('rate', rate);
  const { tokens, headDim, v } = problem;
  const { weights, output } = explicitAttention(problem);
  return output.map((o, at) => {
    const [i, d] = [Math.floor(at / headDim), at % headDim];
    let sum = 0;
    for (let n = 0; n < tokens; n++) sum += (weights[i * tokens + n] * (v[n * headDim + d] - o)) ** 2;
    return (rate / (1 - rate)) * sum;
  });
}

/** Mean and variance of each output element, [N, D]. */
export interface ExactMoments {
  readonly mean: Float64Array;
  readonly variance: Float64Array;
}

/**
 * Its mean and variance with no approximation and no sampling, by going over all 2^n masks of the n keys that a query sees.
 * @throws ValueError for more than 16 tokens.
 */
export function enumerateDropout(problem: AttentionProblem, rate: number): ExactMoments {
  checkRate('rate', rate);
  const { tokens, headDim, v } = problem;
  if (tokens > 16) throw new ValueError('tokens', tokens, 'at most 16');
  const { weights, output } = explicitAttention(problem);
  const mean = new Float64Array(output.length);
  const variance = new Float64Array(output.length);
  const total = new Float64Array(headDim + 1);
  const out = new Float64Array(headDim);
  for (let i = 0; i < tokens; i++) {
    const row = weights.subarray(i * tokens, (i + 1) * tokens);
    const o = output.subarray(i * headDim, (i + 1) * headDim);
    const seen = [...row.keys()].filter((n) => row[n] > 0);
    for (let mask = 0; mask < 2 ** seen.length; mask++) {
      let probability = 1;
      total.fill(0);
      for (const [bit, n] of seen.entries()) {
        const kept = (mask >> bit) & 1;
        probability *= kept ? 1 - rate : rate;
        if (kept) addKey(total, row[n], v, n);
      }
      renormalised(total, o, out);
      for (let d = 0; d < headDim; d++) {
        mean[i * headDim + d] += probability * (out[d] - o[d]);
        variance[i * headDim + d] += probability * (out[d] - o[d]) ** 2;
      }
    }
  }
  return {
    mean: mean.map((shift, at) => output[at] + shift),
    variance: variance.map((square, at) => square - mean[at] ** 2),
  };
}

function addKey(total: Float64Array, weight: number, v: Float64Array, n: number): void {
  const width = total.length - 1;
  for (let d = 0; d < width; d++) total[d] += weight * v[n * width + d];
  total[width] += weight;
}

/** Its moments over `draws` sets of masks, in O(draws · N² D). */
export function sampleDropout(problem: AttentionProblem, rate: number, draws: number, seed: number): SampleMoments {
  checkRate('rate', rate);
  const { tokens, headDim, v } = problem;
  const { weights, output } = explicitAttention(problem);
  const moments = new SampleMoments(output, headDim);
  const sample = new Float64Array(output.length);
  const total = new Float64Array(headDim + 1);
  const words = new Uint32Array(4);
  const threshold = Math.round(rate * 2 ** 32);
  for (let draw = 0; draw < draws; draw++) {
    for (let i = 0; i < tokens; i++) {
      total.fill(0);
      for (let n = 0; n < tokens; n++) {
        if (n % 4 === 0) philox4x32([seed, 0], n / 4, i, draw, 0, words);
        const weight = weights[i * tokens + n];
        if (weight > 0 && words[n % 4] >= threshold) addKey(total, weight, v, n);
      }
      const at = i * headDim;
      renormalised(total, output.subarray(at, at + headDim), sample.subarray(at, at + headDim));
    }
    moments.add(sample);
  }
  return moments;
}
