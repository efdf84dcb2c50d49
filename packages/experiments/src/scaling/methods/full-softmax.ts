import {
  add,
  affine,
  apply,
  concat,
  defineOp,
  div,
  exp,
  matmul,
  max,
  mul,
  type Op,
  pad,
  reshape,
  scope,
  slice,
  sub,
  sum,
  type Tensor,
  tensor,
  transpose,
} from '@linattn/math';

// Softmax attention as a framework with autodiff does it: the matrix of attention weights [B·H, N, N] exists, and is saved.

const blockRows = 128;

const rows = (x: Tensor, start: number, end: number): Tensor => slice(x, 1, start, end);

function blocks(tokens: number): { start: number; end: number }[] {
  return Array.from({ length: Math.ceil(tokens / blockRows) }, (_, i) => ({
    start: i * blockRows,
    end: Math.min(tokens, (i + 1) * blockRows),
  }));
}

/** softmax(scale q kᵀ) of a block of rows, under the causal mask. */
function weightsOf(q: Tensor, k: Tensor, start: number, end: number, scale: number): Tensor {
  const tokens = k.shape[1];
  const hidden = Float64Array.from({ length: (end - start) * end }, (_, i) =>
    i % end > start + Math.floor(i / end) ? -1e30 : 0,
  );
  const scores = add(
    affine(matmul(rows(q, start, end), rows(k, 0, end), false, true), scale),
    tensor(q.backend, hidden, [end - start, end]),
  );
  const powers = exp(sub(scores, max(scores, [-1], true)));
  return pad(div(powers, sum(powers, [-1], true)), 2, 0, tokens - end);
}

interface Scale {
  readonly scale: number;
}

/** q, k [R, N, D] to attention weights [R, N, N]. In blocks of rows inside, so that beside the weights there is no second N². */
const attentionWeightsOp: Op<Scale> = defineOp<Scale>({
  name: 'attentionWeights',
  infer: ([q]) => [{ shape: [q!.shape[0], q!.shape[1], q!.shape[1]], dtype: 'float' }],
  compose: ([q, k], { scale }) => [
    concat(
      blocks(q!.shape[1]).map(({ start, end }) => scope(() => weightsOf(q!, k!, start, end, scale))),
      1,
    ),
  ],
  saves: () => ({ inputs: [0, 1], outputs: [0] }),
  vjp: ({ attributes: { scale }, inputs: [q, k], outputs: [weights], gradients: [dWeights] }) => {
    let dk: Tensor | undefined;
    const dq = blocks(q!.shape[1]).map(({ start, end }) => {
      const [dRows, dKeys] = scope(() => {
        const [p, dp] = [rows(weights!, start, end), rows(dWeights!, start, end)];
        const dScores = affine(mul(p, sub(dp, sum(mul(p, dp), [-1], true))), scale);
        const share = matmul(dScores, rows(q!, start, end), true);
        return [matmul(dScores, k!), dk ? add(dk, share) : share] as const;
      });
      dk?.dispose();
      dk = dKeys;
      return dRows;
    });
    return [concat(dq, 1), dk!];
  },
});

/** Causal softmax(q kᵀ / √D) v with the whole matrix of weights. */
export function fullSoftmaxAttention(q: Tensor, k: Tensor, v: Tensor): Tensor {
  const [batch, tokens, heads, width] = q.shape;
  const [hq, hk, hv] = [q, k, v].map((x) => reshape(transpose(x, [0, 2, 1, 3]), [batch * heads, tokens, x.shape[3]]));
  const [weights] = apply(attentionWeightsOp, [hq, hk], { scale: 1 / Math.sqrt(width) });
  const output = reshape(matmul(weights, hv), [batch, heads, tokens, v.shape[3]]);
  weights.dispose();
  return transpose(output, [0, 2, 1, 3]);
}
