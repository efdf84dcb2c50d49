import type { Backend } from '../backend.ts';
import { ShapeError, ValueError } from '../errors.ts';
import { affine } from '../ops/affine.ts';
import { sub } from '../ops/binary.ts';
import { max } from '../ops/extremum.ts';
import { linear } from '../ops/linear.ts';
import { sum } from '../ops/reduce.ts';
import { exp, square } from '../ops/unary.ts';
import { type PhiloxKey, philoxFill } from '../random/philox.ts';
import { untaped } from '../recorder.ts';
import { checkRank } from '../shape.ts';
import { type Tensor, tensor } from '../tensor.ts';
import type { FeatureMap } from './feature-map.ts';

/** Sizes of a FAVOR+ projection, and the key that it is drawn from. */
export interface FavorProjectionOptions {
  /** D */
  readonly headDim: number;
  /** M, how many random features. Default D: more brings the result nearer to softmax attention, the error like 1 / √M. */
  readonly features?: number;
  /** Names the draw, with `stream` (see `random`). Default [0, 0]. */
  readonly key?: PhiloxKey;
  readonly stream?: readonly [number, number];
}

/**
 * The random directions of FAVOR+, a tensor [M, D] that the caller keeps (no gradient is needed): Gaussian rows, orthogonal
 * within every block of D by Gram-Schmidt, each with the length of a Gaussian vector of its own, so that every row alone is
 * still Gaussian (Choromanski et al. 2021, "Rethinking Attention with Performers", section 2.4). Same key, same numbers everywhere.
 * @throws ValueError
 */
export function favorProjection(
  backend: Backend,
  { headDim, features = headDim, key = [0, 0], stream = [0, 0] }: FavorProjectionOptions,
): Tensor {
  for (const [name, extent] of Object.entries({ headDim, features })) {
    if (!(Number.isInteger(extent) && extent > 0)) throw new ValueError(name, extent, 'an integer > 0');
  }
  const blocks = Math.ceil(features / headDim);
  const size = blocks * headDim * headDim;
  const draws = philoxFill(new Float64Array(2 * size), 'normal', key, stream);
  const rows = Array.from({ length: 2 * blocks * headDim }, (_, i) => draws.subarray(i * headDim, (i + 1) * headDim));
  const directions = rows.slice(0, features);
  directions.forEach((row, i) => {
    const earlier = directions.slice(i - (i % headDim), i);
    // Twice, so that rounding leaves no trace of the earlier rows (each of length 1 by now).
    for (const other of [...earlier, ...earlier]) shift(row, other, -dot(row, other));
    scale(row, 1 / Math.sqrt(dot(row, row)));
  });
  directions.forEach((row, i) => {
    const gaussian = rows[blocks * headDim + i];
    scale(row, Math.sqrt(dot(gaussian, gaussian)));
  });
  return tensor(backend, draws.subarray(0, features * headDim), [features, headDim]);
}

const dot = (x: Float64Array, y: Float64Array): number => x.reduce((total, value, j) => total + value * y[j], 0);

function shift(x: Float64Array, y: Float64Array, factor: number): void {
  for (let j = 0; j < x.length; j++) x[j] += factor * y[j];
}

function scale(x: Float64Array, factor: number): void {
  for (let j = 0; j < x.length; j++) x[j] *= factor;
}

/**
 * Positive random features of the softmax kernel, FAVOR+: φ(x)_m = exp(ω_m·x√s - s |x|² / 2) / √M, with E[φ(q)·φ(k)] = exp(s q·k).
 *
 * Stable and causal: a query's features are divided by their largest one, a factor that falls out of its output (the reported
 * denominator is divided likewise), and that |q|² never enters. Keys get no such factor, for one taken over the tokens would let
 * a token change its past, and every stored state with it; they need none, as the exponent cannot pass |ω_m|² / 2 (about D / 2).
 * @param projection [M, D] of `favorProjection`, the caller's; it must live as long as the map is used.
 * @param options.scale s > 0; default 1 / √D.
 * @throws ShapeError, ValueError
 */
export function favorFeatures(projection: Tensor, options: { readonly scale?: number } = {}): FeatureMap {
  checkRank('projection', projection.shape, 2);
  const [features, headDim] = projection.shape;
  const { scale: s = 1 / Math.sqrt(headDim) } = options;
  if (!(s > 0 && Number.isFinite(s))) throw new ValueError('scale', s, 'a finite number > 0');
  return (x, role) => {
    if (x.shape.at(-1) !== headDim) {
      throw new ShapeError(
        role,
        x.shape,
        `a last extent of ${headDim}, as projection [${projection.shape.join(', ')}]`,
      );
    }
    const exponent = affine(linear(x, projection), Math.sqrt(s), -0.5 * Math.log(features));
    return role === 'query'
      ? exp(
          sub(
            exponent,
            affine(
              untaped(() => max(exponent, [-1], true)),
              1,
              0.5 * Math.log(features),
            ),
          ),
        )
      : exp(sub(exponent, affine(sum(square(x), [-1], true), 0.5 * s)));
  };
}
