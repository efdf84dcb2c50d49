import { ValueError } from '../errors.ts';

/**
 * exp(s x) to second order: f(x) = 1 + s x + s² x² / 2, the polynomial kernel a = 1, b = s, c = s² / 2, to be spread into the options
 * of `linearAttention`. It is never under 1/2, so g_i >= i / 2 without any normalisation. O(N D³) time.
 * @param scale s, default 1; 1 / √D for softmax attention's.
 * @throws ValueError
 */
export function taylorKernel(scale = 1): { readonly a: number; readonly b: number; readonly c: number } {
  if (!Number.isFinite(scale)) throw new ValueError('scale', scale, 'a finite number');
  return { a: 1, b: scale, c: scale ** 2 / 2 };
}
