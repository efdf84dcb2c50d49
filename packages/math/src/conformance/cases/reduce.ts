import { max, min } from '../../ops/extremum.ts';
import { broadcastTo, mean, sum } from '../../ops/reduce.ts';
import type { Shape } from '../../shape.ts';
import { type OpCase, opCase } from '../case.ts';
import { normal, tied } from '../inputs.ts';

const broadcasts: readonly (readonly [from: Shape, to: Shape])[] = [
  [[], [5]],
  [[], [2, 3, 4, 5, 6]],
  [[1], [7]],
  [[7], [5, 7]],
  [
    [5, 1],
    [5, 7],
  ],
  [
    [1, 7],
    [5, 7],
  ],
  [
    [3, 5],
    [2, 3, 5],
  ],
  [
    [2, 1, 4, 1],
    [2, 3, 4, 5],
  ],
  [
    [2, 1, 2, 1, 3],
    [2, 3, 2, 5, 3],
  ],
  [
    [65, 1],
    [65, 257],
  ],
];

const broadcastCases = broadcasts.map(([from, to]) =>
  opCase('broadcast', `[${from}] to [${to}]`, { x: normal(from) }, ({ x }) => ({ y: broadcastTo(x, to) })),
);

const reductions = { sum, max, min } as const;
const names = ['sum', 'max', 'min'] as const;
const subsets = [[0], [1], [2], [0, 1], [0, 2], [1, 2], [0, 1, 2]];

// A mean of 0.5 keeps both signs while long sums do not cancel down to their own rounding.
const reduceCase = (
  fn: (typeof names)[number],
  shape: Shape,
  axes: readonly number[],
  keepDims = false,
  options = {},
) =>
  opCase(
    'reduce',
    `${fn} [${shape}] over (${axes})${keepDims ? ' kept' : ''}`,
    { x: normal(shape, 1, 0.5) },
    ({ x }) => ({ y: reductions[fn](x, axes, keepDims) }),
    options,
  );

const reduceCases = [
  ...names.flatMap((fn) => [
    ...subsets.flatMap((axes) => [reduceCase(fn, [3, 4, 5], axes), reduceCase(fn, [3, 4, 5], axes, true)]),
    reduceCase(fn, [], []),
    reduceCase(fn, [1], [0]),
    reduceCase(fn, [257], [0]),
    reduceCase(fn, [65, 129], [0]),
    reduceCase(fn, [65, 129], [1]),
    reduceCase(fn, [2, 3, 4, 3, 2], [1, 3]),
    reduceCase(fn, [2, 3, 4, 3, 2], [0, 2, 4], true),
    reduceCase(fn, [5, 1000], [1]),
  ]),
  ...(['max', 'min'] as const).flatMap((fn) =>
    [[0], [1], [0, 1]].map((axes) =>
      opCase('reduce', `${fn} ties over (${axes})`, { x: tied([6, 9], -2, 3) }, ({ x }) => ({
        y: reductions[fn](x, axes),
      })),
    ),
  ),
  opCase('reduce', 'mean [4,33] over (1)', { x: normal([4, 33], 1, 0.5) }, ({ x }) => ({ y: mean(x, [1]) })),
  reduceCase('sum', [65537], [0], false, { size: 'large' }),
  reduceCase('max', [65537], [0], false, { size: 'large' }),
  reduceCase('sum', [4099, 33], [0], false, { size: 'large' }),
];

export const reductionCases: readonly OpCase[] = [...broadcastCases, ...reduceCases];
