import { DenominatorError } from '../errors.ts';
import type { NdArray } from './ndarray.ts';
import { type Problem, stateShape } from './problem.ts';

/** What a forward pass over plain arrays gives. */
export interface AttentionResult {
  /** o [B, N_q, H, D_v] */
  readonly output: NdArray;
  /** g [B, N_q, H] */
  readonly denominator: NdArray;
  /** min |g|: how near some row came to dividing by 0. */
  readonly minDenominator: number;
  /**
   * `[B, H, F, D_v + 1]`: Σ ψ(k_n) w_nᵀ with ψ(k) = [1, k (, k⊗k)] and w = [v, 1]. Row 0 is u, whose last entry counts the tokens;
   * rows 1 to D are S.
   */
  readonly state: NdArray;
}

/** Gradients that flow into the results; 0 where absent. */
export interface OutputGradients {
  /** dO [B, N_q, H, D_v] */
  readonly output?: NdArray;
  /** dS_T, of the final state. */
  readonly state?: NdArray;
}

/** Gradients of every input and coefficient; each array has its input's shape. */
export interface AttentionGradients {
  readonly dq: NdArray;
  readonly dk: NdArray;
  readonly dv: NdArray;
  readonly da: number;
  readonly db: number;
  /** 0 at order 1, where c is no parameter. */
  readonly dc: number;
  /** dS_0, also where the initial state was left out (then it is the gradient at zeros). */
  readonly dInitialState: NdArray;
}

/** The numbers that attention leaves. */
export interface Forward {
  readonly o: Float64Array;
  readonly g: Float64Array;
}

/** The numbers that its gradient leaves. */
export interface Backward {
  readonly dq: Float64Array;
  readonly dk: Float64Array;
  readonly dv: Float64Array;
  /** da, db, dc */
  readonly dCoefficients: Float64Array;
}

/** Dresses the numbers with shapes. @throws DenominatorError when strict and some g is not > 0. */
export function toResult(p: Problem, { o, g }: Forward, state: Float64Array, strict?: boolean): AttentionResult {
  const smallest = g.reduce((least, value) => Math.min(least, value), Number.POSITIVE_INFINITY);
  if (strict && !(smallest > 0)) throw new DenominatorError(smallest);
  const row = [p.batch, p.queries, p.heads];
  return {
    output: { shape: [...row, p.valueWidth], data: o },
    denominator: { shape: row, data: g },
    minDenominator: g.reduce((least, value) => Math.min(least, Math.abs(value)), Number.POSITIVE_INFINITY),
    state: { shape: stateShape(p), data: state },
  };
}

export function toGradients(
  p: Problem,
  { dq, dk, dv, dCoefficients }: Backward,
  dState: Float64Array,
): AttentionGradients {
  const [da, db, dc] = dCoefficients;
  const shape = (tokens: number, width: number) => [p.batch, tokens, p.heads, width];
  return {
    dq: { shape: shape(p.queries, p.width), data: dq },
    dk: { shape: shape(p.keys, p.width), data: dk },
    dv: { shape: shape(p.keys, p.valueWidth), data: dv },
    ...{ da, db, dc },
    dInitialState: { shape: stateShape(p), data: dState },
  };
}
