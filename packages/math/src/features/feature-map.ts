import { type LinearAttentionOptions, type LinearAttentionResult, linearAttention } from '../ops/linear-attention.ts';
import { scope } from '../scope.ts';
import type { Tensor } from '../tensor.ts';

/**
 * φ: x [B, N, H, D] to features [B, N, H, M], token by token, so that φ(q)·φ(k) stands for the weight of k under q. A map may
 * treat queries otherwise than keys, but only by a factor a query, which falls out of the output.
 */
export type FeatureMap = (x: Tensor, role: 'query' | 'key') => Tensor;

/** The kernel to use over features: f(φ(q)·φ(k)) = φ(q)·φ(k). */
export const featureKernel = { a: 0, b: 1, c: 0 } as const;

/** As of `linearAttention`, but the kernel: that is φ(q)·φ(k). */
export interface FeatureMapAttentionOptions
  extends Omit<
    LinearAttentionOptions,
    'a' | 'b' | 'c' | 'coefficients' | 'order' | 'normalize' | 'radius' | 'initialState'
  > {
  readonly featureMap: FeatureMap;
  /** [B, H, 1 + M, D_v + 1], as a former call with the same map returned it. */
  readonly initialState?: Tensor;
}

/**
 * o_i = Σ_{n∈V(i)} φ(q_i)·φ(k_n) v_n / Σ_{n∈V(i)} φ(q_i)·φ(k_n): linear attention with a = 0, b = 1 over features, in O(N M D_v)
 * time and O(N (M + D_v)) memory. In parts, it is `linearAttention(φ(q), φ(k), v, { ...featureKernel, ... })`.
 * q [B, N_q, H, D], k [B, N_k, H, D], v [B, N_k, H, D_v].
 * @throws ShapeError, ValueError naming the argument; with `strict`, the next read throws DenominatorError when some g <= 0.
 */
export function featureMapAttention(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  { featureMap, ...options }: FeatureMapAttentionOptions,
): LinearAttentionResult {
  return scope(() =>
    linearAttention(featureMap(q, 'query'), featureMap(k, 'key'), v, { ...options, ...featureKernel }),
  );
}
