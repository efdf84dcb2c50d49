import {
  type LinearAttentionOptions,
  type LinearAttentionResult,
  linearAttention,
  mul,
  scope,
  type Tensor,
} from '@linattn/math';
import { dropKeys } from './key-dropout.ts';
import { matchedNoise } from './matched-noise.ts';
import { type DropoutOptions, resolveDropout } from './options.ts';
import { scaleNoise } from './scale-noise.ts';

/**
 * `linearAttention` with dropout's replacement, in whichever mode. At rate 0, in evaluation and without `dropout` it is
 * `linearAttention`, to the bit. The noise is a function of seed, layer, step and element: backward draws it again.
 * q [B, N_q, H, D], k [B, N_k, H, D], v [B, N_k, H, D_v].
 *
 * The denominator and state are those of the attention that ran: in mode `keys` of the kept keys, in the others of all keys.
 * @throws ShapeError, ValueError naming the argument.
 */
export function noisyAttention(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  attention: LinearAttentionOptions = {},
  dropout?: DropoutOptions,
): LinearAttentionResult {
  const mode = dropout && resolveDropout(dropout)?.mode;
  if (!mode) return linearAttention(q, k, v, attention);
  return scope(() => {
    if (mode === 'keys') {
      const mask = dropKeys(k, dropout)!;
      const keyWeights = attention.keyWeights ? mul(attention.keyWeights, mask) : mask;
      return linearAttention(q, k, v, { ...attention, keyWeights });
    }
    const { output, ...rest } = linearAttention(q, k, v, attention);
    const noisy =
      mode === 'matched' ? matchedNoise(q, k, v, output, attention, dropout) : scaleNoise(output, { ...dropout, mode });
    return { ...rest, output: noisy };
  });
}
