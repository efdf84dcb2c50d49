import { apply, defineOp } from '../op.ts';
import type { Tensor } from '../tensor.ts';
import type { OpAttributes } from './attributes.ts';

const affineOp = defineOp<OpAttributes['affine']>({
  name: 'affine',
  infer: ([x]) => [{ shape: x!.shape, dtype: 'float' }],
  vjp: ({ attributes: { scale }, gradients: [dy] }) => [affine(dy!, scale)],
});

/** scale · x + shift, for plain numbers. */
export const affine = (x: Tensor, scale: number, shift = 0): Tensor => apply(affineOp, [x], { scale, shift })[0];

/** -x, any shape. */
export const neg = (x: Tensor): Tensor => affine(x, -1);
