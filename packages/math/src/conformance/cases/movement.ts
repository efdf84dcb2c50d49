import { concat, pad, reshape, slice, transpose } from '../../ops/movement.ts';
import type { Shape } from '../../shape.ts';
import { forwardOnly, type NamedTensors, type OpCase, opCase } from '../case.ts';
import { type InputSpec, integers, normal } from '../inputs.ts';

/** The same graph on numbers, with gradients, and on indices, without. */
const bothTypes = (
  op: OpCase['op'],
  what: string,
  shapes: Readonly<Record<string, Shape>>,
  run: OpCase['run'],
): OpCase[] => {
  const draw = (spec: (shape: Shape) => InputSpec) =>
    Object.fromEntries(Object.entries(shapes).map(([name, shape]) => [name, spec(shape)]));
  return [
    opCase(op, what, draw(normal), run),
    opCase(
      op,
      `${what} int32`,
      draw((shape) => integers(shape, -1000, 1000)),
      run,
      forwardOnly,
    ),
  ];
};

const permutations: readonly (readonly [Shape, readonly number[]])[] = [
  [
    [3, 5],
    [1, 0],
  ],
  [
    [33, 65],
    [1, 0],
  ],
  ...[
    [0, 2, 1],
    [1, 0, 2],
    [1, 2, 0],
    [2, 0, 1],
    [2, 1, 0],
  ].map((permutation) => [[3, 4, 5], permutation] as const),
  ...[
    [0, 2, 1, 3],
    [0, 1, 3, 2],
    [3, 2, 1, 0],
    [2, 3, 0, 1],
  ].map((permutation) => [[2, 3, 4, 5], permutation] as const),
  ...[
    [0, 3, 1, 4, 2],
    [4, 3, 2, 1, 0],
    [0, 2, 1, 3, 4],
  ].map((permutation) => [[2, 3, 4, 3, 2], permutation] as const),
];

const transposeCases = permutations.flatMap(([shape, permutation]) =>
  bothTypes('transpose', `[${shape}] to (${permutation})`, { x: shape }, ({ x }) => ({ y: transpose(x, permutation) })),
);

const block: Shape = [3, 5, 4];
const sliceCases = block.flatMap((extent, axis) =>
  [
    [0, 1],
    [1, extent - 1],
    [extent - 1, extent],
    [1, extent],
  ].flatMap(([start, end]) =>
    bothTypes('slice', `[${block}] axis ${axis} ${start}..${end}`, { x: block }, ({ x }) => ({
      y: slice(x, axis, start, end),
    })),
  ),
);

const padCases = block.flatMap((_, axis) =>
  [
    [1, 0],
    [0, 2],
    [3, 1],
  ].flatMap(([before, after]) =>
    bothTypes('pad', `[${block}] axis ${axis} by ${before}, ${after}`, { x: block }, ({ x }) => ({
      y: pad(x, axis, before, after),
    })),
  ),
);

const concatAll = (inputs: NamedTensors, axis: number) => ({ w: concat(Object.values(inputs), axis) });
const extended = (axis: number, extent: number): Shape => block.map((n, i) => (i === axis ? extent : n));
const concatCases = [
  ...block.flatMap((_, axis) =>
    bothTypes(
      'concat',
      `axis ${axis}`,
      { x: extended(axis, 1), y: extended(axis, 4), z: extended(axis, 2) },
      (inputs) => concatAll(inputs, axis),
    ),
  ),
  ...bothTypes('concat', 'rank 1', { x: [1], y: [63] }, (inputs) => concatAll(inputs, 0)),
  // More inputs than a GPU binds at once.
  ...bothTypes(
    'concat',
    '12 tensors',
    Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`x${i}`, [2, 1 + (i % 3)]])),
    (inputs) => concatAll(inputs, 1),
  ),
  opCase('concat', 'one tensor twice', { x: normal([3, 4]) }, ({ x }) => ({ w: concat([x, x], 1) })),
];

const reshapeCases = bothTypes('reshape', '[3,5,4] to [6,-1]', { x: block }, ({ x }) => ({ y: reshape(x, [6, -1]) }));

export const movementCases: readonly OpCase[] = [
  ...transposeCases,
  ...sliceCases,
  ...padCases,
  ...concatCases,
  ...reshapeCases,
];
