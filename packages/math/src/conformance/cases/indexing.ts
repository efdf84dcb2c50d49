import { gather, oneHot, scatterAdd } from '../../ops/gather.ts';
import type { Shape } from '../../shape.ts';
import { forwardOnly, type OpCase, opCase } from '../case.ts';
import { integers, normal } from '../inputs.ts';

/** Indices from `low`, which may be outside [0, rows), as may `high`. */
const gatherCase = (what: string, rows: number, width: number, shape: Shape, low = 0, high = rows, options = {}) =>
  opCase(
    'gather',
    what,
    { table: normal([rows, width]), indices: integers(shape, low, high) },
    ({ table, indices }) => ({ y: gather(table, indices) }),
    { differentiable: ['table'], ...options },
  );

const scatterCase = (what: string, rows: number, width: number, shape: Shape, low = 0, high = rows, options = {}) =>
  opCase(
    'scatterAdd',
    what,
    { indices: integers(shape, low, high), rows: normal([...shape, width]) },
    (inputs) => ({ y: scatterAdd(inputs.indices, inputs.rows, rows) }),
    { differentiable: ['rows'], ...options },
  );

export const indexingCases: readonly OpCase[] = [
  gatherCase('duplicates', 7, 5, [4, 6]),
  gatherCase('out of range', 7, 5, [40], -4, 12),
  gatherCase('all out of range', 4, 3, [5], 4, 9),
  gatherCase('scalar index', 7, 5, []),
  gatherCase('width 1', 9, 1, [33]),
  gatherCase('one row', 1, 6, [3]),
  gatherCase('ragged', 65, 33, [3, 7]),
  gatherCase('large', 1000, 65, [2, 1025], 0, 1000, { size: 'large' }),
  scatterCase('duplicates', 4, 5, [3, 11]),
  scatterCase('out of range', 6, 5, [40], -4, 11),
  scatterCase('all out of range', 4, 3, [5], -9, 0),
  scatterCase('one target', 1, 6, [70]),
  scatterCase('rows never hit', 50, 3, [9]),
  scatterCase('width 1', 9, 1, [33]),
  scatterCase('ragged', 65, 33, [3, 7]),
  scatterCase('large', 100, 65, [4099], 0, 100, { size: 'large' }),
  opCase('oneHot', '[6] to 5', { x: integers([6], 0, 5) }, ({ x }) => ({ y: oneHot(x, 5) }), forwardOnly),
  opCase('oneHot', 'out of range', { x: integers([5, 7], -3, 8) }, ({ x }) => ({ y: oneHot(x, 5) }), forwardOnly),
  opCase('oneHot', 'scalar', { x: integers([], 0, 3) }, ({ x }) => ({ y: oneHot(x, 3) }), forwardOnly),
];
