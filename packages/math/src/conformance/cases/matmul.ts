import { linear } from '../../ops/linear.ts';
import { matmul } from '../../ops/matmul.ts';
import type { Shape } from '../../shape.ts';
import { type OpCase, opCase } from '../case.ts';
import { normal } from '../inputs.ts';

const forms = [
  ['NN', false, false],
  ['NT', false, true],
  ['TN', true, false],
  ['TT', true, true],
] as const;

/** Rows, inner extent, columns. */
const sizes: readonly (readonly [number, number, number])[] = [
  [1, 1, 1],
  [1, 7, 1],
  [5, 1, 3],
  [1, 33, 17],
  [17, 33, 1],
  [3, 5, 2],
  [4, 4, 4],
  [16, 16, 16],
  [31, 9, 18],
  [64, 64, 64],
  [65, 257, 33],
];

function matmulCases(batch: Shape, [rows, inner, columns]: readonly [number, number, number], options = {}): OpCase[] {
  return forms.map(([form, transposeA, transposeB]) => {
    const a = [...batch, ...(transposeA ? [inner, rows] : [rows, inner])];
    const b = [...batch, ...(transposeB ? [columns, inner] : [inner, columns])];
    return opCase(
      'matmul',
      `${form} [${batch}] ${rows}x${inner}x${columns}`,
      { a: normal(a), b: normal(b) },
      (inputs) => ({ y: matmul(inputs.a, inputs.b, transposeA, transposeB) }),
      options,
    );
  });
}

const linearCase = (what: string, leading: Shape, inner: number, columns: number, bias: boolean): OpCase =>
  opCase(
    'linear',
    what,
    {
      x: normal([...leading, inner]),
      weight: normal([columns, inner], 1 / Math.sqrt(inner)),
      ...(bias ? { bias: normal([columns]) } : {}),
    },
    ({ x, weight, bias }) => ({ y: linear(x, weight, bias) }),
  );

export const productCases: readonly OpCase[] = [
  ...sizes.flatMap((size) => matmulCases([], size)),
  ...matmulCases([3], [5, 7, 6]),
  ...matmulCases([2, 3], [9, 4, 5]),
  ...matmulCases([2, 1, 3], [4, 8, 4]),
  ...matmulCases([70], [2, 3, 2]),
  ...matmulCases([], [256, 511, 130], { size: 'large' }),
  linearCase('vector', [], 5, 3, true),
  linearCase('rank 2', [7], 5, 3, true),
  linearCase('rank 2, no bias', [7], 5, 3, false),
  linearCase('rank 3', [2, 33], 17, 65, true),
  linearCase('rank 4, no bias', [2, 3, 4], 8, 1, false),
];
