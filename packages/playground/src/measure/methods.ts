import {
  add,
  affine,
  apply,
  broadcastTo,
  concat,
  defineOp,
  div,
  exp,
  fill,
  ge,
  l2Normalize,
  linearAttention,
  matmul,
  max,
  mul,
  pad,
  reshape,
  resolveRadius,
  scope,
  slice,
  sub,
  sum,
  type Tensor,
  tensor,
  transpose,
} from '@linattn/math';
import { softmaxAttention } from '@linattn/math/network';
import type { Method } from './plan.ts';

type Attend = (q: Tensor, k: Tensor, v: Tensor) => Tensor;

/** Causal attention of [1, N, H, D] by every method, each as a person would write it. */
export const attend: Readonly<Record<Method, Attend>> = {
  linear: (q, k, v) => scope(() => linearAttention(q, k, v, kernel).output),
  tiled: (q, k, v) => scope(() => softmaxAttention(q, k, v)),
  full: (q, k, v) => scope(() => fullSoftmax(q, k, v)),
  separation: (q, k, v) => scope(() => kernelSeparation(q, k, v)),
};

const kernel = { mask: 'causal', normalize: 'l2' } as const;

/** [1, N, H, D] to [H, N, D] and back. */
const headsFirst = (x: Tensor): Tensor => reshape(transpose(x, [0, 2, 1, 3]), [x.shape[2], x.shape[1], x.shape[3]]);
const tokensFirst = (x: Tensor): Tensor => transpose(reshape(x, [1, ...x.shape]), [0, 2, 1, 3]);

/** The softmax of every row, as frameworks have it: one operation that keeps its result, and nothing else, for the gradient. */
const softmaxRowsOp = defineOp<Record<never, never>>({
  name: 'softmaxRows',
  infer: ([x]) => [{ shape: x!.shape, dtype: 'float' }],
  compose: ([x]) => {
    const weights = exp(sub(x!, max(x!, [-1], true)));
    return [div(weights, sum(weights, [-1], true))];
  },
  saves: () => ({ outputs: [0] }),
  vjp: ({ outputs: [weights], gradients: [dy] }) => {
    const along = sum(mul(weights!, dy!), [-1], true);
    return [mul(weights!, sub(dy!, along))];
  },
});

/** softmax(q kᵀ / √D) v with all N × N weights of every head written out. */
function fullSoftmax(q: Tensor, k: Tensor, v: Tensor): Tensor {
  const [, tokens, , features] = q.shape;
  const places = Float64Array.from({ length: tokens }, (_, i) => i);
  const seen = ge(tensor(q.backend, places, [tokens, 1]), tensor(q.backend, places, [1, tokens]));
  const scores = affine(matmul(headsFirst(q), headsFirst(k), false, true), 1 / Math.sqrt(features));
  const [weights] = apply(softmaxRowsOp, [add(scores, affine(seen, 1e9, -1e9))], {});
  return tokensFirst(matmul(weights, headsFirst(v)));
}

/**
 * o_i = φ(q_i)ᵀ Σ_{n<=i} φ(k_n) [v_n, 1]ᵀ with φ(x) = [1, x̂] and recorded gradients: every running sum, a matrix a token, is
 * written down and kept.
 */
function kernelSeparation(q: Tensor, k: Tensor, v: Tensor): Tensor {
  const [, tokens, heads, features] = q.shape;
  const one = fill(q.backend, [heads, tokens, 1], 1);
  const phi = (x: Tensor) => concat([one, headsFirst(l2Normalize(x, resolveRadius(kernel)))], 2);
  const rows = features + 1;
  const columns = v.shape[3] + 1;
  const keys = reshape(phi(k), [heads * tokens, rows, 1]);
  const values = reshape(concat([headsFirst(v), one], 2), [heads * tokens, 1, columns]);
  const states = runningSum(reshape(matmul(keys, values), [heads, tokens, rows * columns]));
  const seen = matmul(reshape(phi(q), [heads * tokens, 1, rows]), reshape(states, [heads * tokens, rows, columns]));
  const output = div(slice(seen, 2, 0, columns - 1), slice(seen, 2, columns - 1, columns));
  return tokensFirst(reshape(output, [heads, tokens, columns - 1]));
}

/** Tokens added up at once: more costs more products, fewer more passes. */
const block = 16;

/** Σ_{n<=i} x_n along the tokens of [H, N, M]; N a power of two. Within blocks by a triangle of ones, and the blocks' sums likewise. */
export function runningSum(x: Tensor): Tensor {
  const [heads, tokens, width] = x.shape;
  const size = Math.min(block, tokens);
  const blocks = tokens / size;
  const ones = Float64Array.from({ length: size * size }, (_, at) => (at % size <= Math.floor(at / size) ? 1 : 0));
  const triangle = broadcastTo(tensor(x.backend, ones, [1, size, size]), [heads * blocks, size, size]);
  const within = matmul(triangle, reshape(x, [heads * blocks, size, width]));
  if (blocks === 1) return reshape(within, x.shape);
  const totals = reshape(slice(within, 1, size - 1, size), [heads, blocks, width]);
  // What came before a block: the sums up to it, without its own.
  const before = pad(slice(runningSum(totals), 1, 0, blocks - 1), 1, 1, 0);
  const sums = add(reshape(within, [heads, blocks, size, width]), reshape(before, [heads, blocks, 1, width]));
  return reshape(sums, x.shape);
}
