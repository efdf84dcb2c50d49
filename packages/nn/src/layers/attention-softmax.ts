import { type ScaleNoiseOptions, scaleNoise } from '@linattn/dropout';
import { affine, concat, fill, type Mask, type MaskOptions, reshape, slice, type Tensor, untaped } from '@linattn/math';
import { softmaxAttention } from '@linattn/math/network';
import type { DropoutConfig, SoftmaxAttentionConfig } from '../config.ts';
import type { AttentionKernel } from './attention.ts';
import { softmaxWithDropout } from './attention-dropout.ts';
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
      return this.#attend(q, k, v, visible, context);
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

  #attend(q: Tensor, k: Tensor, v: Tensor, visible: MaskOptions, context: ForwardContext): Tensor {
    const options = { ...visible, scale: 1 / Math.sqrt(q.shape[3]) };
    const [queries, keys] = hideKeys(q, k, context.keyWeights);
    const noise = this.#noise(context);
    if (noise?.mode === 'weights' && noise.rate > 0) return softmaxWithDropout(queries, keys, v, options, noise);
    const output = softmaxAttention(queries, keys, v, options);
    // The configuration allows no other modes here.
    return noise && noise.mode !== 'weights' ? scaleNoise(output, noise as ScaleNoiseOptions) : output;
  }

  dispose(): void {}
}

/** Hides keys of weight 0: one more feature, 1 in queries, moves their scores far below all others. */
function hideKeys(q: Tensor, k: Tensor, keyWeights: Tensor | undefined): [Tensor, Tensor] {
  if (!keyWeights) return [q, k];
  const one = fill(q.backend, [...q.shape.slice(0, 3), 1], 1);
  const hidden = affine(reshape(keyWeights, [...keyWeights.shape, 1]), 1e9, -1e9);
  return [concat([q, one], 3), concat([k, hidden], 3)];
}
