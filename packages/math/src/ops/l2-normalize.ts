import { ValueError } from '../errors.ts';
import { apply, defineOp } from '../op.ts';
import type { Tensor } from '../tensor.ts';
import { affine } from './affine.ts';
import { tinySquaredNorm } from './attention-conventions.ts';
import type { OpAttributes } from './attributes.ts';
import { div, maximum, mul, sub } from './binary.ts';
import { fill } from './fill.ts';
import { sum } from './reduce.ts';
import { rsqrt, square, step } from './unary.ts';

const tiny = (x: Tensor): Tensor => fill(x.backend, [1], tinySquaredNorm);
const squaredNorm = (x: Tensor): Tensor => maximum(sum(square(x), [-1], true), tiny(x));

const l2NormalizeOp = defineOp<OpAttributes['l2Normalize']>({
  name: 'l2Normalize',
  infer: ([x], { radius }) => {
    if (!(radius > 0)) throw new ValueError('radius', radius, 'a number > 0');
    return [{ shape: x!.shape, dtype: 'float' }];
  },
  compose: ([x], { radius }) => [affine(mul(x!, rsqrt(squaredNorm(x!))), radius)],
  saves: () => ({ inputs: [0] }),
  vjp: ({ attributes, inputs: [x], gradients: [dy] }) => [l2NormalizeBackward(x!, dy!, attributes.radius)],
});

const l2NormalizeBackwardOp = defineOp<OpAttributes['l2NormalizeBackward']>({
  name: 'l2NormalizeBackward',
  infer: ([x]) => [{ shape: x!.shape, dtype: 'float' }],
  compose: ([x, dy], { radius }) => {
    const norm2 = squaredNorm(x!);
    const along = div(sum(mul(x!, dy!), [-1], true), norm2);
    // A vector that counts as zero has no direction to turn: radius / |x| would be 1e18 there, so its gradient is 0.
    // (Compared as the backend stores it: in float32 the number 1e-36 is another one.)
    const perLength = mul(rsqrt(norm2), step(sub(norm2, tiny(x!))));
    return [affine(mul(sub(dy!, mul(x!, along)), perLength), radius)];
  },
});

/** Each vector along the last axis scaled to length `radius`; a zero vector stays zero. Saves x only. */
export const l2Normalize = (x: Tensor, radius = 1): Tensor => apply(l2NormalizeOp, [x], { radius })[0];

/** Its gradient: (radius / |x|) (dy - x (x·dy) / |x|²); 0 for a zero vector. */
export const l2NormalizeBackward = (x: Tensor, dy: Tensor, radius: number): Tensor =>
  apply(l2NormalizeBackwardOp, [x, dy], { radius })[0];
