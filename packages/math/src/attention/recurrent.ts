import { ValueError } from '../errors.ts';
import { stateRows } from '../ops/attention-conventions.ts';
import { checkRank, checkShape } from '../shape.ts';
import { forward } from './factorised.ts';
import { checkNdArray, type NdArray, ndarray } from './ndarray.ts';
import { type AttentionOptions, type Problem, resolveProblem, stateShape } from './problem.ts';
import { type AttentionResult, toResult } from './result.ts';

// S_t = S_{t-1} + ψ(k_t) w_tᵀ,  [g o, g]_t = (weights · ψ(q_t))ᵀ S_t: fixed memory, any length. The state is updated in place.

/** Options that make sense token by token: the state brings the past, and every token sees what came before it. */
export type StepOptions = Omit<AttentionOptions, 'mask' | 'prefix' | 'initialState'>;

/** The state before any token: zeros [B, H, 1 + D (+ D² at order 2), D_v + 1]. @throws ValueError */
export function emptyState(size: {
  readonly batch: number;
  readonly heads: number;
  readonly headDim: number;
  /** Default `headDim`. */
  readonly valueDim?: number;
  /** 2 when c is a parameter. Default 1. */
  readonly order?: 1 | 2;
}): NdArray {
  const { batch, heads, headDim, valueDim = headDim, order = 1 } = size;
  for (const [name, extent] of Object.entries({ batch, heads, headDim, valueDim })) {
    if (!(Number.isInteger(extent) && extent > 0)) throw new ValueError(name, extent, 'an integer > 0');
  }
  return ndarray([batch, heads, stateRows(headDim, order), valueDim + 1]);
}

function resolveStep(state: NdArray, q: NdArray, k: NdArray, v: NdArray, options: StepOptions): Problem {
  const problem = resolveProblem(q, k, v, { ...options, mask: 'causal', prefix: undefined, initialState: undefined });
  checkShape('state', checkNdArray('state', state).shape, stateShape(problem));
  return problem;
}

/**
 * Takes the next token, or a run of them, in and gives what they see (causal): q, k [B, N, H, D], v [B, N, H, D_v], N = 1 when
 * decoding. `state` is updated in place and is the result's state, also when strict and the denominator then fails.
 * @throws ShapeError, ValueError, NonFiniteError naming the argument; DenominatorError when strict.
 */
export function step(state: NdArray, q: NdArray, k: NdArray, v: NdArray, options: StepOptions = {}): AttentionResult {
  const problem = resolveStep(state, q, k, v, options);
  return toResult(problem, forward(problem, state.data), state.data, options.strict);
}

/** Takes keys and values in without asking anything: S += Σ ψ(k) wᵀ, in place. The prefix of a long prompt may come in pieces. */
export function absorb(state: NdArray, k: NdArray, v: NdArray, options: StepOptions = {}): void {
  checkRank('k', checkNdArray('k', k).shape, 4);
  forward({ ...resolveStep(state, k, k, v, options), queries: 0 }, state.data);
}

/** What queries [B, N, H, D] see of all that the state has taken in; the state stays as it is. */
export function look(state: NdArray, q: NdArray, options: StepOptions = {}): AttentionResult {
  checkRank('state', checkNdArray('state', state).shape, 4);
  checkRank('q', checkNdArray('q', q).shape, 4);
  // An empty run of keys, as wide as the state's values.
  const v = ndarray([...q.shape.slice(0, 3), Math.max(1, state.shape[3] - 1)]);
  const problem: Problem = { ...resolveStep(state, q, q, v, options), mask: 'bidirectional', keys: 0 };
  return toResult(problem, forward(problem, state.data), state.data, options.strict);
}
