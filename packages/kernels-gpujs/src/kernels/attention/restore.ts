import type { Program, Thread } from '../../program.ts';
import { quotient } from '../../strides.ts';
import { type Piece, rows, type Sizes, tokenExtents } from './plan.ts';

// From rows [Z][chunk][·] back to the tokens of a piece, [B, count, H, ·].

/** Statements that turn a thread's head `y` and token `z` (of B · count) into `chunk` and `row`; `at`: its row in [B · N]. */
function rowOf(
  { integer }: Thread,
  sizes: Sizes,
  { length, start, count, chunks }: Piece,
  y: string,
  z: string,
): string {
  return `
    ${integer('batch', quotient(z, count))}
    ${integer('token', `${z}-batch*${count}`)}
    ${integer('local', quotient('token', sizes.chunk))}
    ${integer('chunk', `(batch*${sizes.heads}+${y})*${chunks}+local`)}
    ${integer('row', `token-local*${sizes.chunk}`)}
    ${integer('at', `batch*${length}+${start}+token`)}`;
}

const nameOf = (name: string, sizes: Sizes, piece: Piece) => `${name} ${Object.values(sizes)} ${Object.values(piece)}`;

/** Columns [0, width) of the rows, divided by column `by` or multiplied by a number a token. */
function columns(
  name: string,
  sizes: Sizes,
  piece: Piece,
  from: number,
  width: number,
  extra: Program['inputs'],
  value: (x: string, y: string) => string,
): Program {
  return {
    name: nameOf(name, sizes, piece),
    inputs: { a: rows(sizes, piece, from), ...extra },
    output: [width, sizes.heads, sizes.batch * piece.count],
    body: (thread) => `${rowOf(thread, sizes, piece, thread.y, thread.z)} return ${value(thread.x, thread.y)};`,
  };
}

/** o = (g o) / g */
export const averages = (sizes: Sizes, piece: Piece): Program =>
  columns(
    'averages',
    sizes,
    piece,
    sizes.values,
    sizes.valueDim,
    {},
    (x) => `a[chunk][row][${x}]/a[chunk][row][${sizes.valueDim}]`,
  );

/** g [B, count, H] */
export const denominators = (sizes: Sizes, piece: Piece): Program => ({
  name: nameOf('denominators', sizes, piece),
  inputs: { a: rows(sizes, piece, sizes.values) },
  output: [sizes.heads, sizes.batch * piece.count, 1],
  body: (thread) => `${rowOf(thread, sizes, piece, thread.x, thread.y)} return a[chunk][row][${sizes.valueDim}];`,
});

/** dv = m dw */
export const valueGradients = (sizes: Sizes, piece: Piece, keyWeights: boolean): Program =>
  columns(
    `value gradients${keyWeights ? ' weighted' : ''}`,
    sizes,
    piece,
    sizes.values,
    sizes.valueDim,
    keyWeights ? { m: [sizes.heads, sizes.batch * piece.length, 1] } : {},
    (x, y) => `a[chunk][row][${x}]${keyWeights ? `*m[at][${y}]` : ''}`,
  );

/**
 * dx from dψ: the linear part, plus (G + Gᵀ) x of the second-order part; times b and c where ψ was weighted. `a` are the rows dψ,
 * `v` the vectors of the whole tensor, `scale` what they were multiplied by.
 */
export function featureGradients(sizes: Sizes, piece: Piece, weighted: boolean, scaled: boolean): Program {
  const { headDim, order, heads, batch } = sizes;
  const second = order === 2;
  const [b, c] = weighted ? ['c[1]', 'c[2]'] : ['1.0', '1.0'];
  const base = columns(
    `feature gradients${weighted ? ' weighted' : ''}`,
    sizes,
    piece,
    sizes.features,
    headDim,
    {
      ...(weighted ? { c: [3, 1, 1] as const } : {}),
      ...(second ? { v: tokenExtents(sizes, piece, headDim) } : {}),
      ...(second && scaled ? { scale: [heads, batch * piece.length, 1] as const } : {}),
    },
    (x) => `${b}*a[chunk][row][${x}]`,
  );
  if (!second) return base;
  const first = headDim + 1;
  return {
    ...base,
    body: (thread) => {
      const { x, y, z } = thread;
      return `
      ${rowOf(thread, sizes, piece, y, z)}
      let s=0.0;
      for (let e=0; e<${headDim}; e++) {
        s+=(a[chunk][row][${first}+${x}*${headDim}+e]+a[chunk][row][${first}+e*${headDim}+${x}])*v[at][${y}][e];
      }
      return ${b}*a[chunk][row][${x}]+${c}*s${scaled ? `*scale[at][${y}]` : ''};`;
    },
  };
}

/** Sums over the rows of a chunk of dψ times ψ, feature by feature: what (a, b, c) gather. [Z][features] */
export const coefficientRows = (sizes: Sizes, piece: Piece): Program => {
  const extents = rows(sizes, piece, sizes.features);
  return {
    name: 'coefficient rows',
    inputs: { a: extents, b: extents },
    output: [extents[0], extents[2], 1],
    body: ({ x, y }) => `
      let s=0.0; for (let j=0; j<${sizes.chunk}; j++) { s+=a[${y}][j][${x}]*b[${y}][j][${x}]; } return s;`,
  };
};

/** [da, db, dc] of the sums by feature. */
export const coefficientGradients = ({ features, headDim, order }: Sizes): Program => ({
  name: `coefficients ${headDim} ${order}`,
  inputs: { a: [features, 1, 1] },
  output: [3, 1, 1],
  body: ({ x }) => `
    let s=0.0;
    if (${x}===0) { s=a[${headDim}]; }
    if (${x}===1) { for (let d=0; d<${headDim}; d++) { s+=a[d]; } }
    ${order === 2 ? `if (${x}===2) { for (let e=0; e<${headDim * headDim}; e++) { s+=a[${headDim + 1}+e]; } }` : ''}
    return s;`,
});
