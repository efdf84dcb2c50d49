import { ShapeError } from '../errors.ts';
import { apply, defineOp, type Op } from '../op.ts';
import { broadcastShapes, checkExtents, resolveAxis, type Shape, sameShape } from '../shape.ts';
import type { Tensor } from '../tensor.ts';
import { affine } from './affine.ts';
import type { OpAttributes, ReduceFunction } from './attributes.ts';
import { reshape } from './movement.ts';

/** The shape that is left when `axes` shrink to 1. */
export const keptShape = (shape: Shape, axes: readonly number[]): Shape =>
  shape.map((extent, axis) => (axes.includes(axis) ? 1 : extent));

const broadcastOp = defineOp<OpAttributes['broadcast']>({
  name: 'broadcast',
  infer: ([x], { shape }) => {
    checkExtents('shape', shape);
    if (!sameShape(broadcastShapes(x!.shape, shape), shape)) {
      throw new ShapeError('shape', shape, `a shape that [${x!.shape.join(', ')}] stretches to`);
    }
    return [{ shape, dtype: 'float' }];
  },
  vjp: ({ inputSpecs: [x], gradients: [dy] }) => [sumTo(dy!, x!.shape)],
});

/** Stretches missing axes and extents of 1 to `shape` (NumPy broadcasting). */
export const broadcastTo = (x: Tensor, shape: Shape): Tensor =>
  sameShape(x.shape, shape) ? reshape(x, shape) : apply(broadcastOp, [x], { shape })[0];

/** The part of every reduction that its gradient does not touch. */
/* @__NO_SIDE_EFFECTS__ */
export const reduceOf = (gradient: Pick<Op<OpAttributes['reduce']>, 'vjp' | 'saves'>): Op<OpAttributes['reduce']> => ({
  name: 'reduce',
  infer: ([x], { axes, keepDims }) => [
    {
      shape: keepDims ? keptShape(x!.shape, axes) : x!.shape.filter((_, axis) => !axes.includes(axis)),
      dtype: 'float',
    },
  ],
  ...gradient,
});

/** A reduction over `axes`, over all when they are omitted. */
/* @__NO_SIDE_EFFECTS__ */
export const reduction =
  (op: Op<OpAttributes['reduce']>, fn: ReduceFunction) =>
  (x: Tensor, axes: readonly number[] = x.shape.map((_, axis) => axis), keepDims = false): Tensor => {
    const resolved = axes.map((axis) => resolveAxis(axis, x.rank, 'axes')).sort((i, j) => i - j);
    if (new Set(resolved).size !== axes.length) throw new ShapeError('axes', axes, 'different axes');
    return apply(op, [x], { fn, axes: resolved, keepDims })[0];
  };

const sumOp = reduceOf({
  vjp: ({ attributes: { axes }, inputSpecs: [x], gradients: [dy] }) => [
    broadcastTo(reshape(dy!, keptShape(x!.shape, axes)), x!.shape),
  ],
});

/** Sum over `axes` (all when omitted). */
export const sum = reduction(sumOp, 'sum');

/**
 * Mean over `axes` (all when omitted).
 * @throws ShapeError for an axis that is not there.
 */
export const mean = (x: Tensor, axes?: readonly number[], keepDims = false): Tensor => {
  const total = sum(x, axes, keepDims);
  return affine(total, total.size / x.size);
};

/** Sums a broadcast result back to `shape`: the gradient of broadcasting. */
export function sumTo(x: Tensor, shape: Shape): Tensor {
  if (sameShape(x.shape, shape)) return x;
  const shift = x.rank - shape.length;
  const axes = x.shape.flatMap((extent, axis) => (axis < shift || shape[axis - shift] !== extent ? [axis] : []));
  return reshape(sum(x, axes), shape);
}
