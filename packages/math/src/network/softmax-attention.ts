import { apply, defineOp } from '../op.ts';
import { affine } from '../ops/affine.ts';
import type { SoftmaxAttentionAttributes } from '../ops/attributes.ts';
import { add, div, mul, sub } from '../ops/binary.ts';
import { max } from '../ops/extremum.ts';
import { checkAttentionInputs, type MaskOptions, resolveMask, sees } from '../ops/mask.ts';
import { matmul } from '../ops/matmul.ts';
import { concat, pad, reshape, slice, transpose } from '../ops/movement.ts';
import { sum } from '../ops/reduce.ts';
import { exp, log } from '../ops/unary.ts';
import { type Tensor, tensor } from '../tensor.ts';

const headsFirst = (x: Tensor): Tensor => transpose(x, [0, 2, 1, 3]);
const tokens = (x: Tensor, start: number, end: number): Tensor => slice(x, 2, start, end);

/** Rows of queries that are worked on together, and how many keys the last of them sees. */
function blocks({ mask, prefix }: SoftmaxAttentionAttributes, queries: number, keys: number) {
  const height = 128;
  return Array.from({ length: Math.ceil(queries / height) }, (_, block) => {
    const start = block * height;
    const end = Math.min(queries, start + height);
    return { start, end, visible: mask === 'bidirectional' ? keys : Math.max(end, prefix) };
  });
}

type Block = ReturnType<typeof blocks>[number];

/** Scaled scores of a block [B, H, rows, visible], with what a query must not see pushed far below zero. */
function scoresOf(
  q: Tensor,
  k: Tensor,
  { start, end, visible }: Block,
  { mask, prefix, scale }: SoftmaxAttentionAttributes,
): Tensor {
  const scores = affine(matmul(tokens(q, start, end), tokens(k, 0, visible), false, true), scale);
  if (mask === 'bidirectional') return scores;
  const hidden = Float64Array.from({ length: (end - start) * visible }, (_, at) =>
    sees(mask, prefix, start + Math.floor(at / visible), at % visible) ? 0 : -1e30,
  );
  return add(scores, tensor(q.backend, hidden, [end - start, visible]));
}

const column = (x: Tensor): Tensor => reshape(x, [...x.shape, 1]);

const softmaxAttentionOp = defineOp<SoftmaxAttentionAttributes>({
  name: 'softmaxAttention',
  // o, and log Σ exp of each row [B, N, H] for backward
  infer: ([q, k, v], { mask, prefix }) => {
    checkAttentionInputs(q!, k!, v!, mask, prefix);
    const row = q!.shape.slice(0, 3);
    return [
      { shape: [...row, v!.shape[3]], dtype: 'float' },
      { shape: row, dtype: 'float' },
    ];
  },
  compose: (inputs, attributes) => {
    const [q, k, v] = inputs.map((input) => headsFirst(input!));
    const parts = blocks(attributes, q.shape[2], k.shape[2]).map((block) => {
      const scores = scoresOf(q, k, block, attributes);
      const highest = max(scores, [-1], true);
      const weights = exp(sub(scores, highest));
      const total = sum(weights, [-1], true);
      const o = div(matmul(weights, tokens(v, 0, block.visible)), total);
      return [o, add(log(total), highest)];
    });
    const [o, logSum] = [0, 1].map((i) =>
      headsFirst(
        concat(
          parts.map((part) => part[i]),
          2,
        ),
      ),
    );
    return [o, reshape(logSum, logSum.shape.slice(0, 3))];
  },
  saves: () => ({ inputs: [0, 1, 2], outputs: [0, 1] }),
  vjp: ({ attributes, inputs, outputs, gradients: [dO] }) =>
    apply(softmaxAttentionBackwardOp, [...inputs, ...outputs, dO], attributes),
});

const softmaxAttentionBackwardOp = defineOp<SoftmaxAttentionAttributes>({
  name: 'softmaxAttentionBackward',
  infer: ([q, k, v]) => [q!, k!, v!].map(({ shape }) => ({ shape, dtype: 'float' })),
  compose: ([qIn, kIn, vIn, o, logSum, dO], attributes) => {
    const [q, k, v, dOut] = [qIn!, kIn!, vIn!, dO!].map(headsFirst);
    const delta = transpose(sum(mul(o!, dO!), [-1]), [0, 2, 1]);
    const logSums = transpose(logSum!, [0, 2, 1]);
    const keys = k.shape[2];
    const dq: Tensor[] = [];
    let [dk, dv]: (Tensor | undefined)[] = [];
    for (const block of blocks(attributes, q.shape[2], keys)) {
      const { start, end, visible } = block;
      const rows = (x: Tensor) => tokens(x, start, end);
      const weights = exp(sub(scoresOf(q, k, block, attributes), column(rows(logSums))));
      const dWeights = matmul(rows(dOut), tokens(v, 0, visible), false, true);
      const dScores = affine(mul(weights, sub(dWeights, column(rows(delta)))), attributes.scale);
      dq.push(matmul(dScores, tokens(k, 0, visible)));
      dk = addRows(dk, matmul(dScores, rows(q), true), keys);
      dv = addRows(dv, matmul(weights, rows(dOut), true), keys);
    }
    return [concat(dq, 2), dk!, dv!].map(headsFirst);
  },
});

/** sum + part, where part covers the first keys only. */
function addRows(total: Tensor | undefined, part: Tensor, keys: number): Tensor {
  const whole = pad(part, 2, 0, keys - part.shape[2]);
  return total ? add(total, whole) : whole;
}

/** Softmax attention's options. */
export interface SoftmaxAttentionOptions extends MaskOptions {
  /** Default 1 / √D. */
  readonly scale?: number;
}

/**
 * softmax(scale q kᵀ) v, worked on in blocks of rows so that memory is O(N D): q, k, v, o and one number a row are saved
 * (the baseline; FlashAttention-2, Dao 2023). q [B, N_q, H, D], k [B, N_k, H, D], v [B, N_k, H, D_v].
 */
export function softmaxAttention(q: Tensor, k: Tensor, v: Tensor, options: SoftmaxAttentionOptions = {}): Tensor {
  const scale = options.scale ?? 1 / Math.sqrt(q.shape.at(-1)!);
  return apply(softmaxAttentionOp, [q, k, v], { ...resolveMask(options), scale })[0];
}
