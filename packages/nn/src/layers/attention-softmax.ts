import { type ScaleNoiseOptions, scaleNoise } from '@linattn/dropout';
import { affine, concat, fill, type Mask, reshape, slice, type Tensor, untaped } from '@linattn/math';
import { type SoftmaxAttentionOptions, softmaxAttention } from '@linattn/math/network';
import type { DropoutConfig, SoftmaxAttentionConfig } from '../config.ts';
import type { AttentionKernel } from './attention.ts';
import type { ForwardContext, LayerMemory } from './context.ts';
import { type Noise, noiseOf } from './noise.ts';

/** softmax(q kᵀ / √D) v in blocks of rows: the baseline. Its memory when decoding, the keys and values so far, grows. */
export class SoftmaxKernel implements AttentionKernel {
  readonly #mask: Mask;
  readonly #noise: Noise;

  constructor({ mask }: SoftmaxAttentionConfig, dropout: DropoutConfig, layer: number) {
    this.#mask = mask;
    this.#noise = noiseOf(dropout, layer);
  }

  forward(q: Tensor, k: Tensor, v: Tensor, context: ForwardContext, memory?: LayerMemory): Tensor {
    const visible = { mask: this.#mask, prefix: this.#mask === 'prefix' ? context.prefix : undefined };
    const past = memory?.tensors ?? [];
    if (past.length === 0) {
      memory?.remember(k, v);
      const output = attend(q, k, v, { ...visible, keyWeights: context.keyWeights });
      const noise = this.#noise(context);
      // The configuration allows no other modes here.
      return noise ? scaleNoise(output, noise as ScaleNoiseOptions) : output;
    }
    return untaped(() => {
      const [keys, values] = [concat([past[0], k], 1), concat([past[1], v], 1)];
      memory!.remember(keys, values);
      const before = past[0].shape[1];
      // A query sees every key up to its own: one row at a time, without a mask.
      const rows = Array.from({ length: q.shape[1] }, (_, i) => {
        const upTo = (x: Tensor) => slice(x, 1, 0, before + i + 1);
        return softmaxAttention(slice(q, 1, i, i + 1), upTo(keys), upTo(values), { mask: 'bidirectional' });
      });
      return rows.length === 1 ? reshape(rows[0], rows[0].shape) : concat(rows, 1);
    });
  }

  dispose(): void {}
}

/** Softmax attention that hides keys of weight 0: one more feature, 1 in queries, moves their scores far below all others. */
function attend(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  { keyWeights, ...options }: SoftmaxAttentionOptions & { readonly keyWeights?: Tensor },
): Tensor {
  if (!keyWeights) return softmaxAttention(q, k, v, options);
  const one = fill(q.backend, [...q.shape.slice(0, 3), 1], 1);
  const hidden = affine(reshape(keyWeights, [...keyWeights.shape, 1]), 1e9, -1e9);
  const scale = 1 / Math.sqrt(q.shape[3]);
  return softmaxAttention(concat([q, one], 3), concat([k, hidden], 3), v, { ...options, scale });
}
