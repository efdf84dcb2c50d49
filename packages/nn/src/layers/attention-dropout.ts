import {
  add,
  affine,
  bernoulli,
  broadcastTo,
  div,
  exp,
  type MaskOptions,
  matmul,
  max,
  mul,
  type PhiloxKey,
  resolveMask,
  sees,
  sub,
  sum,
  type Tensor,
  tensor,
  transpose,
  untaped,
} from '@linattn/math';

export interface WeightDropout {
  /** p in [0, 1). */
  readonly rate: number;
  readonly seed: PhiloxKey;
  readonly layer: number;
  readonly step: number;
}

/**
 * softmax(scale q kᵀ) v with dropout of the attention weights themselves, as transformers had it (Vaswani et al. 2017): each weight is 0
 * with probability p, else multiplied by 1 / (1 - p). The matrix of weights exists: O(N²) memory, several times, so this is for
 * comparing with at small N. Draw i belongs to element i of the weights [B, H, N, N] in row-major order.
 */
export function softmaxWithDropout(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  { scale, ...mask }: MaskOptions & { readonly scale: number },
  { rate, seed, layer, step }: WeightDropout,
): Tensor {
  const [hq, hk, hv] = [q, k, v].map((x) => transpose(x, [0, 2, 1, 3]));
  const scores = add(affine(matmul(hq, hk, false, true), scale), hidden(q, k.shape[1], mask));
  // Softmax does not change with a shift: its gradient need not know of it.
  const highest = untaped(() => max(scores, [-1], true));
  const powers = exp(sub(scores, highest));
  const weights = div(powers, sum(powers, [-1], true));
  const draw = { shape: weights.shape, key: seed, stream: [layer, step] as const };
  const kept = bernoulli(q.backend, { ...draw, probability: 1 - rate });
  return transpose(matmul(mul(weights, affine(kept, 1 / (1 - rate))), hv), [0, 2, 1, 3]);
}

/** [N_q, N_k]: far below zero where a query does not see a key. */
function hidden(q: Tensor, keys: number, options: MaskOptions): Tensor {
  const { mask, prefix } = resolveMask(options);
  if (mask === 'bidirectional') return broadcastTo(tensor(q.backend, 0), [1, 1]);
  const queries = q.shape[1];
  const values = Float64Array.from({ length: queries * keys }, (_, at) =>
    sees(mask, prefix, Math.floor(at / keys), at % keys) ? 0 : -1e30,
  );
  return tensor(q.backend, values, [queries, keys]);
}
