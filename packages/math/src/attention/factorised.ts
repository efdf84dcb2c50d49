import { sizeOf } from '../shape.ts';
import type { NdArray } from './ndarray.ts';
import { type AttentionOptions, type Problem, resolveProblem, stateShape, visibleKeys } from './problem.ts';
import { type AttentionResult, type Forward, toResult } from './result.ts';
import { addOuter, features, look, weightedValue } from './rows.ts';

/** a, b, c spread over the features: [a, b × D (, c × D²)]. */
export function featureWeights({ coefficients: { 0: a, 1: b, 2: c }, width }: Problem, rows: number): Float64Array {
  return new Float64Array(rows)
    .fill(c)
    .fill(b, 0, 1 + width)
    .fill(a, 0, 1);
}

/** Calls `visit` for each head with its part of a state [B, H, F, E]. */
export function eachHead(
  p: Problem,
  state: Float64Array,
  visit: (state: Float64Array, row: (token: number, tokens: number) => number) => void,
): void {
  const size = state.length / (p.batch * p.heads);
  for (let batch = 0, at = 0; batch < p.batch; batch++) {
    for (let head = 0; head < p.heads; head++, at += size) {
      visit(state.subarray(at, at + size), (token, tokens) => (batch * tokens + token) * p.heads + head);
    }
  }
}

/**
 * [g o, g]_i = (weights · ψ(q_i))ᵀ Σ_{n∈V(i)} ψ(k_n) w_nᵀ, streaming: one running state a head, which starts as `state` and is
 * left as the final one. Beyond o, g and the state, memory is a few rows of O(D) (order 2: O(D²)) numbers.
 */
export function forward(p: Problem, state: Float64Array): Forward {
  const [, , rows, columns] = stateShape(p);
  const o = new Float64Array(p.batch * p.queries * p.heads * p.valueWidth);
  const g = new Float64Array(p.batch * p.queries * p.heads);
  const weights = featureWeights(p, rows);
  const psi = new Float64Array(rows);
  const w = new Float64Array(columns);
  eachHead(p, state, (running, row) => {
    let absorbed = 0;
    const absorb = (end: number) => {
      for (; absorbed < end; absorbed++) {
        const key = row(absorbed, p.keys);
        features(p, p.k, key * p.width, psi);
        weightedValue(p, key, w);
        addOuter(running, psi, w);
      }
    };
    for (let i = 0; i < p.queries; i++) {
      absorb(visibleKeys(p, i));
      const query = row(i, p.queries);
      features(p, p.q, query * p.width, psi);
      for (let f = 0; f < rows; f++) psi[f] *= weights[f];
      look(running, psi, w);
      const denominator = w[p.valueWidth];
      for (let e = 0; e < p.valueWidth; e++) o[query * p.valueWidth + e] = w[e] / denominator;
      g[query] = denominator;
    }
    absorb(p.keys);
  });
  return { o, g };
}

/** A copy of the initial state, or zeros. */
export const startState = (p: Problem, initial?: Float64Array): Float64Array =>
  initial ? initial.slice() : new Float64Array(sizeOf(stateShape(p)));

/**
 * Linear attention as it should be computed: O(N D²) time with c = 0 and O(N D³) with c, O(N D) memory. The same numbers as
 * `naive`. q [B, N_q, H, D], k [B, N_k, H, D], v [B, N_k, H, D_v]; N_q = N_k unless the mask is bidirectional.
 * @throws ShapeError, ValueError, NonFiniteError naming the argument; DenominatorError when strict.
 */
export function factorised(q: NdArray, k: NdArray, v: NdArray, options: AttentionOptions = {}): AttentionResult {
  const problem = resolveProblem(q, k, v, options);
  const state = startState(problem, options.initialState?.data);
  return toResult(problem, forward(problem, state), state, options.strict);
}
