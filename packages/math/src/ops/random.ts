import type { Backend } from '../backend.ts';
import { ValueError } from '../errors.ts';
import { apply, defineOp } from '../op.ts';
import { philoxFill } from '../random/philox.ts';
import { scope } from '../scope.ts';
import { checkExtents, sizeOf } from '../shape.ts';
import { type Tensor, tensor } from '../tensor.ts';
import type { RandomAttributes } from './attributes.ts';
import { ge } from './binary.ts';
import { fill } from './fill.ts';

/** Drawn on the host and uploaded where a backend has no kernel; the numbers are the same everywhere, to its rounding. */
const randomOp = defineOp<RandomAttributes>({
  name: 'random',
  infer: (_, { shape }) => {
    checkExtents('shape', shape);
    return [{ shape, dtype: 'float' }];
  },
  compose: (_, { shape, distribution, key, stream }, backend) => [
    tensor(backend, philoxFill(new Float64Array(sizeOf(shape)), distribution, key, stream), shape),
  ],
});

/**
 * Philox4x32-10 draws: a pure function of key, stream and element index, so backward draws again instead of storing.
 * `normal` has mean 0 and variance 1; `uniform` lies in (0, 1). See `philoxFill` for the exact stream.
 */
export const random = (backend: Backend, attributes: RandomAttributes): Tensor =>
  apply(randomOp, [], attributes, backend)[0];

/**
 * 1 with the given probability, else 0; the same numbers on every backend. Draw i is 1 exactly where `random`'s uniform draw i of the
 * same key and stream is below t = probability rounded to a multiple of 2⁻²³: draws are odd multiples of 2⁻²⁴, so none equals t,
 * t is exact in float32, and P(1) = t.
 * @throws ValueError for a probability outside [0, 1].
 */
export function bernoulli(
  backend: Backend,
  { probability, ...draw }: Omit<RandomAttributes, 'distribution'> & { readonly probability: number },
): Tensor {
  if (!(probability >= 0 && probability <= 1)) throw new ValueError('probability', probability, 'a number in [0, 1]');
  const threshold = Math.round(probability * 2 ** 23) / 2 ** 23;
  return scope(() => {
    const uniform = random(backend, { ...draw, distribution: 'uniform' });
    return ge(fill(backend, [1], threshold), uniform);
  });
}
