import { ShapeError } from '../errors.ts';
import { apply, defineOp } from '../op.ts';
import { checkRank, checkShape } from '../shape.ts';
import type { Tensor } from '../tensor.ts';
import type { OpAttributes } from './attributes.ts';

const checkIndices = (dtype: string) => {
  if (dtype !== 'int32') throw new ShapeError('indices', dtype, 'an int32 tensor');
};

const gatherOp = defineOp<OpAttributes['gather']>({
  name: 'gather',
  indices: [1],
  infer: ([table, indices]) => {
    checkRank('table', table!.shape, 2);
    checkIndices(indices!.dtype);
    return [{ shape: [...indices!.shape, table!.shape[1]], dtype: 'float' }];
  },
  saves: () => ({ inputs: [1] }),
  vjp: ({ inputs: [, indices], inputSpecs: [table], gradients: [dy] }) => [
    scatterAdd(indices!, dy!, table!.shape[0]),
    undefined,
  ],
});

/** Rows of `table` [V, E] by `indices` [...] give [..., E]. An index outside gives a row of zeros. */
export const gather = (table: Tensor, indices: Tensor): Tensor => apply(gatherOp, [table, indices], {})[0];

const scatterAddOp = defineOp<OpAttributes['scatterAdd']>({
  name: 'scatterAdd',
  indices: [0],
  infer: ([indices, rows], { rows: count }) => {
    checkIndices(indices!.dtype);
    const width = rows!.shape.at(-1)!;
    checkShape('rows', rows!.shape, [...indices!.shape, width]);
    return [{ shape: [count, width], dtype: 'float' }];
  },
  saves: () => ({ inputs: [0] }),
  vjp: ({ inputs: [indices], gradients: [dy] }) => [undefined, gather(dy!, indices!)],
});

/** [count, E] of zeros to which each of `rows` [..., E] is added at its index, in order. Indices outside are left out. */
export const scatterAdd = (indices: Tensor, rows: Tensor, count: number): Tensor =>
  apply(scatterAddOp, [indices, rows], { rows: count })[0];

const oneHotOp = defineOp<OpAttributes['oneHot']>({
  name: 'oneHot',
  indices: [0],
  infer: ([indices], { depth }) => {
    checkIndices(indices!.dtype);
    return [{ shape: [...indices!.shape, depth], dtype: 'float' }];
  },
});

/** 1 at each index along a new last axis, 0 elsewhere. */
export const oneHot = (indices: Tensor, depth: number): Tensor => apply(oneHotOp, [indices], { depth })[0];
