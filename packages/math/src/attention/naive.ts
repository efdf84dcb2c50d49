import { resolveBackward } from './backward.ts';
import { eachHead, startState } from './factorised.ts';
import type { NdArray } from './ndarray.ts';
import { type AttentionOptions, type Problem, resolveProblem, stateShape, visibleKeys } from './problem.ts';
import {
  type AttentionGradients,
  type AttentionResult,
  type Backward,
  type Forward,
  type OutputGradients,
  toGradients,
  toResult,
} from './result.ts';
import { lengthScale, lengthScaleBackward } from './rows.ts';

// The definition, pair by pair: to be read, and to hold the fast forms to. It shares no arithmetic with them but the
// normalisation. An initial state stands for earlier keys, which every query sees, by the moments Σ k…k wᵀ.

/** A token's numbers: row `row` of x [.., width], scaled to length `radius` when that is not 0. */
function vector(x: Float64Array, row: number, width: number, radius = 0): Float64Array {
  const scale = lengthScale(x, row * width, width, radius);
  return x.slice(row * width, (row + 1) * width).map((value) => scale * value);
}

const dot = (x: Float64Array, y: Float64Array): number => x.reduce((total, value, j) => total + value * y[j], 0);

/** The entries of k that row f of the state multiplies: none for u, one for S, two for the second-order sums. */
function factorsOf(f: number, width: number): readonly number[] {
  if (f === 0) return [];
  const j = f - 1 - width;
  return j < 0 ? [f - 1] : [Math.floor(j / width), j % width];
}

/** Each row of a head's state, with the entries of k that it multiplies. */
function momentsOf(p: Problem, state: Float64Array): { factors: readonly number[]; sums: Float64Array }[] {
  const [, , rows, columns] = stateShape(p);
  return Array.from({ length: rows }, (_, f) => ({
    factors: factorsOf(f, p.width),
    sums: state.subarray(f * columns, (f + 1) * columns),
  }));
}

/** Product of those entries of x; without the one at `except`, its derivative by that entry. */
const monomial = (x: Float64Array, factors: readonly number[], except = -1): number =>
  factors.reduce((product, j, at) => (at === except ? product : product * x[j]), 1);

/** m_n [v_n, 1] */
function weightedValueOf(p: Problem, key: number): Float64Array {
  const weight = p.keyWeights ? p.keyWeights[key] : 1;
  return Float64Array.of(...vector(p.v, key, p.valueWidth), 1).map((value) => weight * value);
}

function naiveForward(p: Problem, state: Float64Array): Forward {
  const { 0: a, 1: b, 2: c } = p.coefficients;
  const o = new Float64Array(p.batch * p.queries * p.heads * p.valueWidth);
  const g = new Float64Array(p.batch * p.queries * p.heads);
  eachHead(p, state, (head, row) => {
    const moments = momentsOf(p, head);
    const keys = Array.from({ length: p.keys }, (_, n) => {
      const key = row(n, p.keys);
      return { k: vector(p.k, key, p.width, p.radius), w: weightedValueOf(p, key) };
    });
    for (let i = 0; i < p.queries; i++) {
      const query = row(i, p.queries);
      const q = vector(p.q, query, p.width, p.radius);
      const total = new Float64Array(p.valueWidth + 1);
      const add = (weight: number, w: Float64Array) => {
        for (let e = 0; e < total.length; e++) total[e] += weight * w[e];
      };
      for (const { factors, sums } of moments) add(p.coefficients[factors.length] * monomial(q, factors), sums);
      for (const { k, w } of keys.slice(0, visibleKeys(p, i))) {
        const s = dot(q, k);
        add(a + b * s + c * s * s, w);
      }
      g[query] = total[p.valueWidth];
      for (let e = 0; e < p.valueWidth; e++) o[query * p.valueWidth + e] = total[e] / g[query];
    }
    for (const { k, w } of keys) {
      for (const { factors, sums } of moments) {
        const power = monomial(k, factors);
        for (let e = 0; e < sums.length; e++) sums[e] += power * w[e];
      }
    }
  });
  return { o, g };
}

function naiveGradient(
  p: Problem,
  { o, g }: Forward,
  dO: Float64Array,
  state: Float64Array,
  dState: Float64Array,
): Backward {
  const { 0: a, 1: b, 2: c } = p.coefficients;
  const [dq, dk, dv] = [p.q, p.k, p.v].map((x) => new Float64Array(x.length));
  const dCoefficients = new Float64Array(3);
  const heads: Float64Array[] = [];
  eachHead(p, state, (head) => heads.push(head));
  eachHead(p, dState, (dHead, row) => {
    const moments = momentsOf(p, heads.shift()!);
    const dMoments = momentsOf(p, dHead);
    const keys = Array.from({ length: p.keys }, (_, n) => {
      const key = row(n, p.keys);
      return { key, k: vector(p.k, key, p.width, p.radius), w: weightedValueOf(p, key) };
    });
    const weightOf = (w: Float64Array) => w[p.valueWidth];

    // The final state's gradient reaches every key; the initial state's is that and what the queries add below.
    for (const { key, k, w } of keys) {
      for (const { factors, sums: dSums } of dMoments) {
        const dPower = dot(dSums, w);
        factors.forEach((j, at) => {
          dk[key * p.width + j] += dPower * monomial(k, factors, at);
        });
        for (let e = 0; e < p.valueWidth; e++) {
          dv[key * p.valueWidth + e] += weightOf(w) * monomial(k, factors) * dSums[e];
        }
      }
    }

    for (let i = 0; i < p.queries; i++) {
      const query = row(i, p.queries);
      const q = vector(p.q, query, p.width, p.radius);
      // [Ohat_i, -delta_i]: w · this is the gradient of the weight f that multiplies w
      const scaled = vector(dO, query, p.valueWidth).map((value) => value / g[query]);
      const delta = dot(vector(o, query, p.valueWidth), scaled);
      const e = Float64Array.of(...scaled, -delta);

      moments.forEach(({ factors, sums }, f) => {
        const coefficient = p.coefficients[factors.length];
        const dWeight = dot(sums, e);
        dCoefficients[factors.length] += monomial(q, factors) * dWeight;
        factors.forEach((j, at) => {
          dq[query * p.width + j] += coefficient * monomial(q, factors, at) * dWeight;
        });
        const { sums: dSums } = dMoments[f];
        for (let column = 0; column < e.length; column++) {
          dSums[column] += coefficient * monomial(q, factors) * e[column];
        }
      });

      for (const { key, k, w } of keys.slice(0, visibleKeys(p, i))) {
        const s = dot(q, k);
        const dF = dot(w, e);
        const ds = (b + 2 * c * s) * dF;
        for (let j = 0; j < p.width; j++) {
          dq[query * p.width + j] += ds * k[j];
          dk[key * p.width + j] += ds * q[j];
        }
        const weight = weightOf(w) * (a + b * s + c * s * s);
        for (let column = 0; column < p.valueWidth; column++)
          dv[key * p.valueWidth + column] += weight * scaled[column];
        dCoefficients[0] += dF;
        dCoefficients[1] += s * dF;
        if (p.order === 2) dCoefficients[2] += s * s * dF;
      }
    }
  });
  if (p.radius > 0) {
    for (const [x, dx] of [
      [p.q, dq],
      [p.k, dk],
    ]) {
      for (let at = 0; at < x.length; at += p.width) lengthScaleBackward(x, at, p.width, p.radius, dx);
    }
  }
  return { dq, dk, dv, dCoefficients };
}

/**
 * The definition, in O(N²) time:
 *
 *     s_in = q_i · k_n      f(x) = a + b x + c x²      g_i = Σ_{n∈V(i)} f(s_in)      o_i = (1 / g_i) Σ_{n∈V(i)} f(s_in) v_n
 *
 * with V(i) all keys (`bidirectional`), n <= i (`causal`) or n <= max(i, P - 1) (`prefix`). Arguments, result and errors are
 * those of `factorised`, whose truth it is.
 */
export function naive(q: NdArray, k: NdArray, v: NdArray, options: AttentionOptions = {}): AttentionResult {
  const problem = resolveProblem(q, k, v, options);
  const state = startState(problem, options.initialState?.data);
  return toResult(problem, naiveForward(problem, state), state, options.strict);
}

/** The gradient of the definition, written out pair by pair in O(N²) time: the equations told at `factorisedBackward`. */
export function naiveBackward(
  q: NdArray,
  k: NdArray,
  v: NdArray,
  saved: Pick<AttentionResult, 'output' | 'denominator'>,
  gradients: OutputGradients,
  options: AttentionOptions = {},
): AttentionGradients {
  const { problem, forward, dO, dState } = resolveBackward(q, k, v, saved, gradients, options);
  const state = startState(problem, options.initialState?.data);
  return toGradients(problem, naiveGradient(problem, forward, dO, state, dState), dState);
}
