import { normals } from './inputs.ts';

/** The most that one token can weigh among `tokens`, over all queries. */
export interface Sharpness {
  readonly tokens: number;
  /** f = 1 + x, normalised with r² = 0.95: the exact maximum over queries of length r; mean and largest over draws of the keys. */
  readonly linear: number;
  readonly linearLargest: number;
  /** f = x², queries along the token's key: what 1 + x + x²/2 tends to for long queries. Mean over draws. */
  readonly square: number;
}

export const squaredRadius = 0.95;

export function measureSharpness(
  { tokens, headDim, seed }: { readonly tokens: number; readonly headDim: number; readonly seed: number },
  repeats = 24,
): Sharpness {
  const linear: number[] = [];
  const square: number[] = [];
  for (let repeat = 0; repeat < repeats; repeat++) {
    const keys = unitRows(normals([tokens, headDim], seed, 1000 + repeat), headDim);
    linear.push(largestLinearWeight(keys, headDim));
    square.push(squareWeight(keys, headDim));
  }
  const mean = (x: readonly number[]) => x.reduce((sum, value) => sum + value, 0) / x.length;
  return { tokens, linear: mean(linear), linearLargest: Math.max(...linear), square: mean(square) };
}

/** Scales rows to length 1, in place. */
export function unitRows(x: Float64Array, width: number): Float64Array {
  for (let at = 0; at < x.length; at += width) {
    const row = x.subarray(at, at + width);
    const length = Math.hypot(...row);
    for (let d = 0; d < width; d++) row[d] /= length;
  }
  return x;
}

/**
 * max over |q| = r of (1 + r q̂·k_0) / Σ_n (1 + r q̂·k_n), keys of length r. A weight w is reached when some q has
 * 1 + q·k_0 >= w (N + q·K), K = Σ k_n: when 1 - w N + r |k_0 - w K| >= 0. The left side falls with w, so halving finds the largest.
 */
export function largestLinearWeight(units: Float64Array, width: number): number {
  const tokens = units.length / width;
  const total = new Float64Array(width);
  for (let i = 0; i < units.length; i++) total[i % width] += units[i];
  const surplus = (w: number) => 1 - w * tokens + squaredRadius * Math.hypot(...total.map((x, d) => units[d] - w * x));
  let [low, high] = [0, 1];
  for (let step = 0; step < 60; step++) {
    const middle = (low + high) / 2;
    if (surplus(middle) >= 0) low = middle;
    else high = middle;
  }
  return low;
}

function squareWeight(units: Float64Array, width: number): number {
  let total = 0;
  for (let at = 0; at < units.length; at += width) {
    let dot = 0;
    for (let d = 0; d < width; d++) dot += units[d] * units[at + d];
    total += dot * dot;
  }
  return 1 / total;
}
