import { concat, type Mask, reshape, slice, softmaxAttention, type Tensor, untaped } from '@linattn/math';
import type { AttentionKernel } from './attention.ts';
import type { AttentionMemory, ForwardContext } from './context.ts';

/** softmax(q kᵀ / √D) v in blocks of rows: the baseline. Its memory when decoding, the keys and values so far, grows. */
export class SoftmaxKernel implements AttentionKernel {
  readonly #mask: Mask;

  constructor(mask: Mask) {
    this.#mask = mask;
  }

  forward(q: Tensor, k: Tensor, v: Tensor, { prefix }: ForwardContext, memory?: AttentionMemory): Tensor {
    const visible = { mask: this.#mask, prefix: this.#mask === 'prefix' ? prefix : undefined };
    const past = memory?.tensors ?? [];
    if (past.length === 0) {
      memory?.remember(k, v);
      return softmaxAttention(q, k, v, visible);
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
}
