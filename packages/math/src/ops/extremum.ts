import type { Tensor } from '../tensor.ts';
import { div, eq, mul } from './binary.ts';
import { reshape } from './movement.ts';
import { keptShape, reduceOf, reduction, sum } from './reduce.ts';

const extremumOp = reduceOf({
  saves: () => ({ inputs: [0], outputs: [0] }),
  vjp: ({ attributes: { axes }, inputs: [x], outputs: [y], gradients: [dy] }) => {
    const kept = keptShape(x!.shape, axes);
    const hit = eq(x!, reshape(y!, kept));
    // Ties share the gradient.
    return [mul(hit, div(reshape(dy!, kept), sum(hit, axes, true)))];
  },
});

type Reduction = (x: Tensor, axes?: readonly number[], keepDims?: boolean) => Tensor;

/** Largest element over `axes` (all when omitted). */
export const max: Reduction = reduction(extremumOp, 'max');
/** Smallest element over `axes` (all when omitted). */
export const min: Reduction = reduction(extremumOp, 'min');
