import * as jax from '@jax-js/jax';
import { chunkedAttention, type JaxArray, upload } from './jax.ts';

const { numpy: np, jit, valueAndGrad, nn } = jax;

export interface ModelSizes {
  readonly vocabulary: number;
  readonly hidden: number;
  readonly layers: number;
  readonly heads: number;
  readonly batch: number;
  readonly tokens: number;
}

type Layer = {
  norm1: JaxArray[];
  qkv: JaxArray[];
  out: JaxArray[];
  norm2: JaxArray[];
  up: JaxArray[];
  down: JaxArray[];
};
export type Parameters = { embedding: JaxArray; layers: Layer[]; norm: JaxArray[]; head: JaxArray };

const chunk = 64;
const radius = Math.sqrt(0.95);

/** x wᵀ + b, for x [n, K] and w [M, K]. */
const linear = (x: JaxArray, [w, b]: JaxArray[]): JaxArray => np.matmul(x, np.swapaxes(w, 0, 1)).add(b);

function layerNorm(x: JaxArray, [weight, bias]: JaxArray[]): JaxArray {
  const centred = x.ref.sub(x.mean(-1, { keepdims: true }));
  const variance = np.square(centred.ref).mean(-1, { keepdims: true });
  return centred
    .div(np.sqrt(variance.add(1e-5)))
    .mul(weight)
    .add(bias);
}

const unit = (x: JaxArray): JaxArray => {
  const length = np.sqrt(np.square(x.ref).sum(-1, { keepdims: true }));
  return x.div(length).mul(radius);
};

/**
 * The model of @linattn/nn's GPTNeoX (parallel residual, no rotary embedding) with mean cross entropy, in jax-js's array code:
 * the loss and all gradients, compiled.
 */
export function lossAndGradients({ vocabulary, hidden, layers, heads, batch, tokens }: ModelSizes) {
  const width = hidden / heads;
  const chunks = tokens / chunk;
  const toHeads = (x: JaxArray): JaxArray =>
    np
      .transpose(x.reshape([batch, chunks, chunk, heads, width]), [0, 3, 1, 2, 4])
      .reshape([batch * heads, chunks, chunk, width]);
  const toRows = (x: JaxArray): JaxArray =>
    np.transpose(x.reshape([batch, heads, chunks, chunk, width]), [0, 2, 3, 1, 4]).reshape([batch * tokens, hidden]);

  const loss = (p: Parameters, inputs: JaxArray, targets: JaxArray): JaxArray => {
    const tri = np.tri(chunks, chunks, -1);
    const mask = np.tri(chunk, chunk);
    let x = np.take(p.embedding, inputs, 0);
    for (const layer of p.layers) {
      const [q, k, v] = np.split(linear(layerNorm(x.ref, layer.norm1), layer.qkv), 3, -1);
      const attended = chunkedAttention(unit(toHeads(q)), unit(toHeads(k)), toHeads(v), tri.ref, mask.ref);
      const fed = linear(nn.gelu(linear(layerNorm(x.ref, layer.norm2), layer.up), { approximate: false }), layer.down);
      x = x.add(linear(toRows(attended), layer.out)).add(fed);
    }
    tri.dispose();
    mask.dispose();
    const logits = np.matmul(layerNorm(x, p.norm), np.swapaxes(p.head, 0, 1));
    const hit = nn.oneHot(targets, vocabulary);
    return nn
      .logSoftmax(logits, -1)
      .mul(hit)
      .sum()
      .mul(-1 / (batch * tokens));
  };
  void layers;
  return jit(valueAndGrad(loss));
}

export function initialParameters(
  { vocabulary, hidden, layers }: ModelSizes,
  draw: (count: number, seed: number, scale: number) => Float32Array,
): Parameters {
  let seed = 100;
  const matrix = (rows: number, columns: number) => upload(draw(rows * columns, seed++, 0.05), [rows, columns]);
  const dense = (rows: number, columns: number) => [matrix(rows, columns), np.zeros([rows])];
  const norm = () => [np.ones([hidden]), np.zeros([hidden])];
  return {
    embedding: matrix(vocabulary, hidden),
    layers: Array.from({ length: layers }, () => ({
      norm1: norm(),
      qkv: dense(3 * hidden, hidden),
      out: dense(hidden, hidden),
      norm2: norm(),
      up: dense(4 * hidden, hidden),
      down: dense(hidden, 4 * hidden),
    })),
    norm: norm(),
    head: matrix(vocabulary, hidden),
  };
}

/** AdamW on every parameter, compiled. */
export const adamW = () =>
  jit((p: JaxArray[], g: JaxArray[], m: JaxArray[], v: JaxArray[]) => {
    const [rate, beta1, beta2, epsilon, decay] = [1e-3, 0.9, 0.95, 1e-8, 0.01];
    const next = p.map((_, i) => {
      const m1 = m[i].mul(beta1).add(g[i].ref.mul(1 - beta1));
      const v1 = v[i].mul(beta2).add(np.square(g[i]).mul(1 - beta2));
      const update = m1.ref.div(np.sqrt(v1.ref).add(epsilon)).mul(rate);
      return [p[i].mul(1 - rate * decay).sub(update), m1, v1];
    });
    return [0, 1, 2].map((part) => next.map((each) => each[part]));
  });
