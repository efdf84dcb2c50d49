import type { Backend } from '../backend.ts';
import { apply, defineOp } from '../op.ts';
import { checkExtents, type Shape } from '../shape.ts';
import type { Tensor } from '../tensor.ts';
import type { OpAttributes } from './attributes.ts';

const fillOp = defineOp<OpAttributes['fill']>({
  name: 'fill',
  infer: (_, { shape }) => {
    checkExtents('shape', shape);
    return [{ shape, dtype: 'float' }];
  },
});

/** A tensor of one repeated number. */
export const fill = (backend: Backend, shape: Shape, value: number): Tensor =>
  apply(fillOp, [], { shape, value }, backend)[0];
