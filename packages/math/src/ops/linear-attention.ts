import { deferCheck } from '../checks.ts';
import { DenominatorError, MissingGradientError, ValueError } from '../errors.ts';
import { apply, defineOp } from '../op.ts';
import { untaped } from '../recorder.ts';
import { unscoped } from '../scope.ts';
import { checkShape } from '../shape.ts';
import { type Tensor, tensor } from '../tensor.ts';
import { type NormalizeOptions, resolveRadius, stateRows } from './attention-conventions.ts';
import type { LinearAttentionAttributes, LinearAttentionBackwardAttributes } from './attributes.ts';
import { min } from './extremum.ts';
import { fill } from './fill.ts';
import { composeLinearAttention, composeLinearAttentionBackward } from './linear-attention-composed.ts';
import { checkAttentionInputs, type MaskOptions, resolveMask } from './mask.ts';

const linearAttentionOp = defineOp<LinearAttentionAttributes>({
  name: 'linearAttention',
  infer: ([q, k, v, coefficients, state, keyWeights], { mask, prefix, order, returnState }) => {
    checkAttentionInputs(q!, k!, v!, mask, prefix);
    checkShape('coefficients', coefficients!.shape, [3]);
    const [batch, queries, heads, headDim] = q!.shape;
    const full = [batch, heads, stateRows(headDim, order), v!.shape[3] + 1];
    if (state) checkShape('initialState', state.shape, full);
    if (keyWeights) checkShape('keyWeights', keyWeights.shape, k!.shape.slice(0, 3));
    return [
      { shape: [batch, queries, heads, v!.shape[3]], dtype: 'float' },
      { shape: [batch, queries, heads], dtype: 'float' },
      ...(returnState ? [{ shape: full, dtype: 'float' } as const] : []),
    ];
  },
  compose: (inputs, attributes) => composeLinearAttention(inputs, attributes),
  saves: () => ({ inputs: [0, 1, 2, 3, 4, 5], outputs: [0, 1] }),
  vjp: ({ attributes, needs, inputs, outputs: [o, g], gradients: [given, dg, dState] }) => {
    if (dg) throw new MissingGradientError("linearAttention's denominator");
    if (needs[5]) throw new MissingGradientError("linearAttention's keyWeights");
    const dO = given ?? fill(o!.backend, o!.shape, 0);
    const wanted = { ...attributes, coefficientGradients: needs[3] };
    return apply(linearAttentionBackwardOp, [...inputs, o, g, dO, dState], wanted);
  },
});

export const linearAttentionBackwardOp = defineOp<LinearAttentionBackwardAttributes>({
  name: 'linearAttentionBackward',
  // dq, dk, dv, d(a, b, c), and dS0 where there was an initial state.
  infer: ([q, k, v, coefficients, state]) =>
    [q, k, v, coefficients, state].flatMap((input) => (input ? [{ shape: input.shape, dtype: 'float' as const }] : [])),
  compose: (inputs, attributes) => composeLinearAttentionBackward(inputs, attributes),
});

/** The polynomial kernel f(x) = a + b x + c x². Numbers, or one learnable tensor [a, b, c]. */
export interface KernelOptions {
  /** Default 1. */
  readonly a?: number;
  /** Default 1. */
  readonly b?: number;
  /** Default 0: then time is O(N D²), else O(N D³). */
  readonly c?: number;
  /** [3], instead of a, b and c; gets a gradient. */
  readonly coefficients?: Tensor;
  /** With `coefficients`: 2 when the third may be other than 0. Default 1 (c is then ignored and gets no gradient). */
  readonly order?: 1 | 2;
}

export interface LinearAttentionOptions extends MaskOptions, KernelOptions, NormalizeOptions {
  /** [B, H, 1 + D (+ D² for order 2), D_v + 1], as a former call returned it; it gets a gradient. */
  readonly initialState?: Tensor;
  /** Default false. */
  readonly returnState?: boolean;
  /**
   * m [B, N_k, H]: key n counts m_n times, in numerator and denominator alike (w_n = m_n [v_n, 1]): 0 hides it (padding, dropped
   * keys). No gradient. Default 1.
   */
  readonly keyWeights?: Tensor;
  /** The next read on this backend throws DenominatorError when some g <= 0. Default false. */
  readonly strict?: boolean;
}

/** What `linearAttention` returns. */
export interface LinearAttentionResult {
  /** [B, N_q, H, D_v] */
  readonly output: Tensor;
  /** g [B, N_q, H]; for inspection, it has no gradient. */
  readonly denominator: Tensor;
  /** Σ ψ(k_n) w_nᵀ with ψ(k) = [1, k, k⊗k] and w = [v, 1]: row 0 is u (its last entry counts the tokens), rows 1..D are S. */
  readonly state?: Tensor;
}

/**
 * Attention with a polynomial kernel: o_i = Σ_{n∈V(i)} f(q_i·k_n) v_n / g_i, g_i = Σ_{n∈V(i)} f(q_i·k_n), in O(N D²) time
 * (O(N D³) with c) and O(N D) memory, forward and backward ("Towards Making Linear Attention Usable", Eqs 4-9, corrected).
 * q [B, N_q, H, D], k [B, N_k, H, D], v [B, N_k, H, D_v]; only q, k, v, o and g are saved for backward.
 * @throws ShapeError, ValueError naming the argument.
 */
export function linearAttention(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  options: LinearAttentionOptions = {},
): LinearAttentionResult {
  const { coefficients, initialState, keyWeights, strict = false } = options;
  const { a, b, c, ...attributes } = resolveAttention(options);
  const weights = coefficients ?? tensor(q.backend, [a, b, c]);
  try {
    const inputs = [q, k, v, weights, initialState, keyWeights];
    const [output, denominator, state] = apply(linearAttentionOp, inputs, attributes);
    if (strict) checkDenominator(denominator);
    return { output, denominator, state };
  } finally {
    if (!coefficients) weights.dispose();
  }
}

/** What the options mean, `coefficients` present or not. @throws ValueError naming the option. */
export function resolveAttention(
  options: Omit<LinearAttentionOptions, 'coefficients'> & { readonly coefficients?: unknown },
): LinearAttentionAttributes & { readonly a: number; readonly b: number; readonly c: number } {
  const { a = 1, b = 1, c = 0, coefficients, returnState = false } = options;
  for (const [name, value] of Object.entries({ a, b, c })) {
    if (!Number.isFinite(value)) throw new ValueError(name, value, 'a finite number');
  }
  const order = coefficients ? (options.order ?? 1) : c === 0 ? 1 : 2;
  return { a, b, c, ...resolveMask(options), order, radius: resolveRadius(options), returnState };
}

/** Makes the next read on g's backend throw DenominatorError unless every g > 0 (NaN throws too). */
export function checkDenominator(denominator: Tensor): void {
  deferCheck(
    unscoped(() => untaped(() => min(denominator))),
    ({ 0: smallest }) => {
      if (!(smallest > 0)) throw new DenominatorError(smallest);
    },
  );
}
