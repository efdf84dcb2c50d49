import { checkShape } from '../shape.ts';
import { eachHead, featureWeights, startState } from './factorised.ts';
import { checkNdArray, type NdArray } from './ndarray.ts';
import { type AttentionOptions, type Problem, resolveProblem, stateShape, visibleKeys } from './problem.ts';
import {
  type AttentionGradients,
  type AttentionResult,
  type Backward,
  type Forward,
  type OutputGradients,
  toGradients,
} from './result.ts';
import { addOuter, features, featuresBackward, look, lookBack, weightedValue } from './rows.ts';

/** e_i = [Ohat_i, -delta_i] with Ohat = dO / g and delta = o · Ohat, of the query in row `row` of [B, N_q, H]. */
function scaledGradient(p: Problem, { o, g }: Forward, dO: Float64Array, row: number, e: Float64Array): void {
  let delta = 0;
  for (let j = 0, at = row * p.valueWidth; j < p.valueWidth; j++, at++) {
    e[j] = dO[at] / g[row];
    delta += o[at] * e[j];
  }
  e[p.valueWidth] = -delta;
}

/**
 * The analytic gradient, streaming twice: queries in order under the running state S = Σ ψ(k) wᵀ, then keys in reverse under
 * R = Σ weights · ψ(q) eᵀ of the queries that see them. `state` starts as the initial state and is used up; `dState` starts as
 * the final state's gradient and is left as the initial state's. Memory beyond the gradients is a few rows, as in `forward`.
 */
export function backward(
  p: Problem,
  saved: Forward,
  dO: Float64Array,
  state: Float64Array,
  dState: Float64Array,
): Backward {
  const [, , rows, columns] = stateShape(p);
  const weights = featureWeights(p, rows);
  const psi = new Float64Array(rows);
  const dPsi = new Float64Array(rows);
  const dWeights = new Float64Array(rows);
  const w = new Float64Array(columns);
  const e = new Float64Array(columns);
  const dq = new Float64Array(p.q.length);
  const dk = new Float64Array(p.k.length);
  const dv = new Float64Array(p.v.length);

  /** ψ and w of a key. */
  const loadKey = (key: number) => {
    features(p, p.k, key * p.width, psi);
    weightedValue(p, key, w);
  };
  /** ψ and e of a query. */
  const loadQuery = (query: number) => {
    features(p, p.q, query * p.width, psi);
    scaledGradient(p, saved, dO, query, e);
  };

  eachHead(p, state, (running, row) => {
    let absorbed = 0;
    for (let i = 0; i < p.queries; i++) {
      for (; absorbed < visibleKeys(p, i); absorbed++) {
        loadKey(row(absorbed, p.keys));
        addOuter(running, psi, w);
      }
      const query = row(i, p.queries);
      loadQuery(query);
      lookBack(running, e, dPsi);
      for (let f = 0; f < rows; f++) {
        dWeights[f] += psi[f] * dPsi[f];
        dPsi[f] *= weights[f];
      }
      featuresBackward(p, p.q, query * p.width, psi, dPsi, dq);
    }
  });

  eachHead(p, dState, (running, row) => {
    let left = p.keys;
    const release = (start: number) => {
      while (left > start) {
        const key = row(--left, p.keys);
        loadKey(key);
        lookBack(running, w, dPsi);
        featuresBackward(p, p.k, key * p.width, psi, dPsi, dk);
        const weight = w[p.valueWidth];
        look(running, psi, w);
        for (let j = 0; j < p.valueWidth; j++) dv[key * p.valueWidth + j] = weight * w[j];
      }
    };
    for (let i = p.queries - 1; i >= 0; i--) {
      release(visibleKeys(p, i));
      loadQuery(row(i, p.queries));
      for (let f = 0; f < rows; f++) psi[f] *= weights[f];
      addOuter(running, psi, e);
    }
    release(0);
  });

  const total = (start: number, end: number) => dWeights.subarray(start, end).reduce((sum, value) => sum + value, 0);
  const linearEnd = 1 + p.width;
  const dCoefficients = Float64Array.of(total(0, 1), total(1, linearEnd), total(linearEnd, rows));
  return { dq, dk, dv, dCoefficients };
}

function numbers(name: string, given: NdArray, shape: readonly number[]): Float64Array {
  checkShape(name, checkNdArray(name, given).shape, shape);
  return given.data;
}

/**
 * Gradients of `factorised` (and of `naive`) from what it saved: q, k, v, o, g and the options ("Towards Making Linear
 * Attention Usable", Eqs 23-27 and 68-75, with the 1 / g_i that they lose):
 *
 *     Ohat_i = dO_i / g_i      delta_i = o_i · Ohat_i      ds_in = f'(s_in) (v_n · Ohat_i - delta_i)
 *     dq_i = Σ_n ds_in k_n     dk_n = Σ_i ds_in q_i        dv_n = Σ_i f(s_in) Ohat_i
 *     da, db, dc = Σ_in (1, s_in, s_in²) (v_n · Ohat_i - delta_i)
 *
 * in the time and memory of the forward pass.
 * @param saved output and denominator of the forward call with the same arguments.
 * @throws ShapeError, ValueError, NonFiniteError naming the argument.
 */
export function factorisedBackward(
  q: NdArray,
  k: NdArray,
  v: NdArray,
  saved: Pick<AttentionResult, 'output' | 'denominator'>,
  gradients: OutputGradients,
  options: AttentionOptions = {},
): AttentionGradients {
  const { problem, forward, dO, dState } = resolveBackward(q, k, v, saved, gradients, options);
  const state = startState(problem, options.initialState?.data);
  return toGradients(problem, backward(problem, forward, dO, state, dState), dState);
}

/** The checked arguments of a gradient. dO is zeros, and dState a fresh array of zeros, where they are absent. */
export function resolveBackward(
  q: NdArray,
  k: NdArray,
  v: NdArray,
  saved: Pick<AttentionResult, 'output' | 'denominator'>,
  gradients: OutputGradients,
  options: AttentionOptions,
) {
  const problem = resolveProblem(q, k, v, options);
  const row = q.shape.slice(0, 3);
  const full = [...row, problem.valueWidth];
  const forward = { o: numbers('output', saved.output, full), g: numbers('denominator', saved.denominator, row) };
  const { output, state } = gradients;
  const dO = output ? numbers('gradients.output', output, full) : new Float64Array(forward.o.length);
  const dState = startState(problem, state && numbers('gradients.state', state, stateShape(problem)));
  return { problem, forward, dO, dState };
}
