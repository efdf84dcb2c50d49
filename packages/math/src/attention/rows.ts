import { tinySquaredNorm } from '../ops/attention-conventions.ts';
import type { Problem } from './problem.ts';

// What one token contributes, and the three products of a state [F, E] (row-major) with rows. All write into given rows.

/** S += x wᵀ */
export function addOuter(state: Float64Array, x: Float64Array, w: Float64Array): void {
  let at = 0;
  for (let f = 0; f < x.length; f++) for (let e = 0; e < w.length; e++) state[at++] += x[f] * w[e];
}

/** out = Sᵀ x */
export function look(state: Float64Array, x: Float64Array, out: Float64Array): void {
  out.fill(0);
  let at = 0;
  for (let f = 0; f < x.length; f++) for (let e = 0; e < out.length; e++) out[e] += x[f] * state[at++];
}

/** out = S w */
export function lookBack(state: Float64Array, w: Float64Array, out: Float64Array): void {
  let at = 0;
  for (let f = 0; f < out.length; f++) {
    let total = 0;
    for (let e = 0; e < w.length; e++) total += state[at++] * w[e];
    out[f] = total;
  }
}

/** radius / |x| of the `width` numbers from `at`; 1 where `radius` is 0 (no normalisation). */
export function lengthScale(x: Float64Array, at: number, width: number, radius: number): number {
  return radius > 0 ? radius / Math.sqrt(Math.max(squaredNorm(x, at, width), tinySquaredNorm)) : 1;
}

function squaredNorm(x: Float64Array, at: number, width: number): number {
  let total = 0;
  for (let j = at; j < at + width; j++) total += x[j] * x[j];
  return total;
}

/** ψ = [1, x (, x⊗x)] of the token whose numbers start at `at`, scaled to length `radius` first. */
export function features({ width, order, radius }: Problem, x: Float64Array, at: number, psi: Float64Array): void {
  const scale = lengthScale(x, at, width, radius);
  psi[0] = 1;
  for (let j = 0; j < width; j++) psi[1 + j] = scale * x[at + j];
  if (order === 1) return;
  for (let i = 1, to = 1 + width; i <= width; i++) for (let j = 1; j <= width; j++) psi[to++] = psi[i] * psi[j];
}

/**
 * dx, into `out` from `at`, of the same token from dψ: the linear part plus (G + Gᵀ) x of the second-order part; then the
 * Jacobian of the normalisation, (r / |x|) (dx - x (x·dx) / |x|²), which is 0 for a zero vector.
 */
export function featuresBackward(
  { width, order, radius }: Problem,
  x: Float64Array,
  at: number,
  psi: Float64Array,
  dPsi: Float64Array,
  out: Float64Array,
): void {
  for (let j = 0; j < width; j++) {
    let total = dPsi[1 + j];
    if (order === 2) {
      for (let i = 0; i < width; i++) {
        total += (dPsi[1 + width + i * width + j] + dPsi[1 + width + j * width + i]) * psi[1 + i];
      }
    }
    out[at + j] = total;
  }
  if (radius > 0) lengthScaleBackward(x, at, width, radius, out);
}

/** Turns the gradient of r x / |x|, which lies in `dx` from `at`, into that of x. */
export function lengthScaleBackward(
  x: Float64Array,
  at: number,
  width: number,
  radius: number,
  dx: Float64Array,
): void {
  const norm2 = squaredNorm(x, at, width);
  const scale = norm2 > tinySquaredNorm ? lengthScale(x, at, width, radius) : 0;
  let along = 0;
  for (let j = at; j < at + width; j++) along += x[j] * dx[j];
  for (let j = at; j < at + width; j++) dx[j] = scale === 0 ? 0 : scale * (dx[j] - (x[j] * along) / norm2);
}

/** w = m [v, 1] of the key in row `row` of [B, N_k, H]. */
export function weightedValue({ v, valueWidth, keyWeights }: Problem, row: number, w: Float64Array): void {
  const weight = keyWeights ? keyWeights[row] : 1;
  for (let e = 0; e < valueWidth; e++) w[e] = weight * v[row * valueWidth + e];
  w[valueWidth] = weight;
}
