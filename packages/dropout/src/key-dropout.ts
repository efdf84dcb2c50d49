import { affine, fill, ge, random, scope, type Tensor, untaped } from '@linattn/math';
import { type DropoutOptions, resolveDropout } from './options.ts';

/**
 * What a dropped key still weighs, relative to 1: below float32's rounding beside any kept key, yet a query that sees dropped keys
 * only (the first tokens, often) gets their plain average instead of 0/0.
 */
export const droppedWeight = 2 ** -24;

/**
 * One Bernoulli mask a key and head: weights [B, N, H] for `linearAttention`'s `keyWeights`, drawn for k [B, N, H, D]. Kept keys
 * weigh 1/(1-p) and dropped ones `droppedWeight`. The 1/(1-p) cancels in o; it is there for the state, whose mean over masks is
 * then the state without dropout, so that states from training, prefill and evaluation may be mixed.
 * Draw i belongs to element i of [B, N, H] in row-major order, and the mask is the same on every backend.
 * @returns undefined at rate 0 and in evaluation.
 * @throws ValueError naming the argument.
 */
export function dropKeys(k: Tensor, options: Omit<DropoutOptions, 'mode'>): Tensor | undefined {
  const dropout = resolveDropout({ ...options, mode: 'keys' });
  if (!dropout) return undefined;
  const { rate, key, stream } = dropout;
  // Draws are odd multiples of 2^-24: a threshold on the multiples of 2^-23 is met by none and exact in float32.
  const threshold = Math.round(rate * 2 ** 23) / 2 ** 23;
  return untaped(() =>
    scope(() => {
      const draws = random(k.backend, { shape: k.shape.slice(0, 3), distribution: 'uniform', key, stream });
      const kept = ge(draws, fill(k.backend, [1], threshold));
      return affine(kept, 1 / (1 - rate) - droppedWeight, droppedWeight);
    }),
  );
}
