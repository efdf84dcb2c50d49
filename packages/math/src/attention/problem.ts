import { ValueError } from '../errors.ts';
import { type NormalizeOptions, resolveRadius, stateRows } from '../ops/attention-conventions.ts';
import type { Mask } from '../ops/attributes.ts';
import { checkAttentionInputs, type MaskOptions, resolveMask } from '../ops/mask.ts';
import { checkShape } from '../shape.ts';
import { checkNdArray, type NdArray } from './ndarray.ts';

/** Options of attention with the polynomial kernel f(x) = a + b x + c x², over plain arrays. */
export interface AttentionOptions extends MaskOptions, NormalizeOptions {
  /** Default 1. */
  readonly a?: number;
  /** Default 1. */
  readonly b?: number;
  /** Default 0: then time is O(N D²), else O(N D³). */
  readonly c?: number;
  /** 2 when c is a parameter (it then gets a gradient, and the state its D² rows). Default: 1 if c = 0, else 2. */
  readonly order?: 1 | 2;
  /** m [B, N_k, H]: key n counts m_n times, in numerator and denominator alike. It gets no gradient. Default 1. */
  readonly keyWeights?: NdArray;
  /** [B, H, 1 + D (+ D² at order 2), D_v + 1], as a former call returned it. Default zeros. */
  readonly initialState?: NdArray;
  /** Throw DenominatorError when some g <= 0. Default false. */
  readonly strict?: boolean;
}

/** Attention of [B, N, H, D] numbers with everything resolved and checked: what the loops work on. */
export interface Problem {
  readonly batch: number;
  readonly queries: number;
  readonly keys: number;
  readonly heads: number;
  /** D */
  readonly width: number;
  /** D_v */
  readonly valueWidth: number;
  readonly mask: Mask;
  readonly prefix: number;
  readonly order: 1 | 2;
  /** 0: q and k are used as they are. */
  readonly radius: number;
  /** a, b, c */
  readonly coefficients: ArrayLike<number>;
  readonly q: Float64Array;
  readonly k: Float64Array;
  readonly v: Float64Array;
  readonly keyWeights?: Float64Array;
}

/** How many keys, from the first, query i sees: V(i) is always a run from the start. */
export const visibleKeys = ({ mask, prefix, keys }: Problem, i: number): number =>
  mask === 'bidirectional' ? keys : Math.max(i + 1, prefix);

/** [B, H, F, D_v + 1] */
export const stateShape = ({ batch, heads, width, valueWidth, order }: Problem): number[] => [
  batch,
  heads,
  stateRows(width, order),
  valueWidth + 1,
];

/** a, b, c and the order, resolved and checked. */
function resolveKernel({ a = 1, b = 1, c = 0, order = c === 0 ? 1 : 2 }: AttentionOptions) {
  for (const [name, value] of Object.entries({ a, b, c })) {
    if (!Number.isFinite(value)) throw new ValueError(name, value, 'a finite number');
  }
  if (order !== 2 && (order !== 1 || c !== 0))
    throw new ValueError('order', order, c === 0 ? '1 or 2' : '2, as c is not 0');
  return { coefficients: [a, b, c], order };
}

/** Checks everything before any work. @throws ShapeError, ValueError, NonFiniteError naming the argument. */
export function resolveProblem(q: NdArray, k: NdArray, v: NdArray, options: AttentionOptions): Problem {
  const { keyWeights, initialState } = options;
  for (const [name, x] of Object.entries({ q, k, v })) checkNdArray(name, x);
  const masking = resolveMask(options);
  const float = (x: NdArray) => ({ shape: x.shape, dtype: 'float' }) as const;
  checkAttentionInputs(float(q), float(k), float(v), masking.mask, masking.prefix);
  const [batch, queries, heads, width] = q.shape;
  const problem: Problem = {
    ...{ batch, queries, keys: k.shape[1], heads, width, valueWidth: v.shape[3] },
    ...masking,
    ...resolveKernel(options),
    radius: resolveRadius(options),
    ...{ q: q.data, k: k.data, v: v.data, keyWeights: keyWeights?.data },
  };
  if (keyWeights) checkShape('keyWeights', checkNdArray('keyWeights', keyWeights).shape, k.shape.slice(0, 3));
  if (initialState) checkShape('initialState', checkNdArray('initialState', initialState).shape, stateShape(problem));
  return problem;
}
