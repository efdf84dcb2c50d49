import type { Backend } from '../backend.ts';
import { apply, defineOp } from '../op.ts';
import { philoxFill } from '../random/philox.ts';
import { checkExtents, sizeOf } from '../shape.ts';
import { type Tensor, tensor } from '../tensor.ts';
import type { RandomAttributes } from './attributes.ts';

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
