import { ValueError } from '../errors.ts';

// What the operation, its float64 kernels and the array reference must agree on. No imports of tensors: all three use it.

/** Rows of the state: u, then S, then (order 2) the second-order sums. */
export const stateRows = (headDim: number, order: 1 | 2): number => 1 + headDim + (order === 2 ? headDim * headDim : 0);

/** Below this squared length a vector counts as zero: it is scaled as if it had this length (0 stays 0), with gradient 0. */
export const tinySquaredNorm = 1e-36;

/** Normalisation of q and k, as users say it. */
export interface NormalizeOptions {
  /**
   * `l2` scales every q and k to length r first, so that f >= a - b r² > 0: r² = 0.95 a / |b| unless `radius` is given (0.95 with
   * learnable coefficients). Default `none`.
   */
  readonly normalize?: 'none' | 'l2';
  /** The length r that `l2` gives every q and k. Default: r² = 0.95 a / |b|. */
  readonly radius?: number;
}

interface RadiusOptions extends NormalizeOptions {
  readonly a?: number;
  readonly b?: number;
  readonly coefficients?: unknown;
}

/** The radius that `normalize` means: 0 for none. @throws ValueError */
export function resolveRadius({ normalize = 'none', radius, a = 1, b = 1, coefficients }: RadiusOptions): number {
  if (normalize !== 'none' && normalize !== 'l2') throw new ValueError('normalize', normalize, 'none | l2');
  if (normalize === 'none') {
    if (radius !== undefined) throw new ValueError('radius', radius, "none, unless normalize is 'l2'");
    return 0;
  }
  const resolved = radius ?? Math.sqrt(coefficients ? 0.95 : (0.95 * a) / Math.abs(b));
  if (!(resolved > 0 && Number.isFinite(resolved))) throw new ValueError('radius', resolved, 'a finite number > 0');
  return resolved;
}
