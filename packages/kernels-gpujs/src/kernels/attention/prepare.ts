import type { Program, Thread } from '../../program.ts';
import { quotient } from '../../strides.ts';
import { type Piece, rows, type Sizes, tokenExtents, tokenOf } from './plan.ts';

// From tensors [B, N, H, ·] to rows [Z][chunk][·]: heads first, cut into chunks, with zeros after the last token, so that no
// kernel after these has an edge to mind.

/** The value of feature `x` of a vector whose element d is `element(d)`: [x, 1, x⊗x], then zeros. */
function feature(
  integer: Thread['integer'],
  { headDim, order }: Sizes,
  x: string,
  weights: readonly string[],
  element: (d: string) => string,
): string {
  const second = `
    ${integer('i', `${x}-${headDim + 1}`)} ${integer('row', quotient('i', headDim))}
    value=${weights[2]}*${element('row')}*${element(`i-row*${headDim}`)};`;
  return `
    let value=0.0;
    if (${x}<${headDim}) { value=${weights[1]}*${element(x)}; }
    if (${x}===${headDim}) { value=${weights[0]}; }
    ${order === 2 ? `if (${x}>${headDim}) { if (${x}<${headDim + 1 + headDim * headDim}) { ${second} } }` : ''}`;
}

/** ψ of queries or keys; `weighted`: times (a, b, c); `scaled`: of vectors brought to one length. */
export function features(sizes: Sizes, piece: Piece, weighted: boolean, scaled: boolean): Program {
  const name = `features ${Object.values(sizes)} ${Object.values(piece)}${weighted ? ' weighted' : ''}`;
  const inputs = { a: tokenExtents(sizes, piece, sizes.headDim) };
  return {
    name,
    inputs: {
      ...inputs,
      ...(weighted ? { c: [3, 1, 1] as const } : {}),
      ...(scaled ? { scale: [sizes.heads, sizes.batch * piece.length, 1] as const } : {}),
    },
    output: rows(sizes, piece, sizes.features),
    body: (thread) => {
      const weights = weighted ? ['c[0]', 'c[1]', 'c[2]'] : ['1.0', '1.0', '1.0'];
      const element = (d: string) => `a[at][head][${d}]${scaled ? '*length' : ''}`;
      return `
        ${tokenOf(sizes, piece, thread)}
        ${scaled ? 'const length=scale[at][head];' : ''}
        ${feature(thread.integer, sizes, thread.x, weights, element)}
        return value*inside;`;
    },
  };
}

const valueRows = (
  sizes: Sizes,
  piece: Piece,
  name: string,
  extra: Program['inputs'],
  last: string,
  factor: string,
): Program => ({
  name: `${name} ${Object.values(sizes)} ${Object.values(piece)}`,
  inputs: { a: tokenExtents(sizes, piece, sizes.valueDim), ...extra },
  output: rows(sizes, piece, sizes.values),
  body: (thread) => `
    ${tokenOf(sizes, piece, thread)}
    let value=0.0;
    if (${thread.x}<${sizes.valueDim}) { value=a[at][head][${thread.x}]; }
    if (${thread.x}===${sizes.valueDim}) { value=${last}; }
    return value*inside${factor};`,
});

const perToken = ({ heads, batch }: Sizes, { length }: Piece) => [heads, batch * length, 1] as const;

/** w = m [v, 1] */
export const weightedValues = (sizes: Sizes, piece: Piece, keyWeights: boolean): Program =>
  keyWeights
    ? valueRows(sizes, piece, 'values weighted', { m: perToken(sizes, piece) }, '1.0', '*m[at][head]')
    : valueRows(sizes, piece, 'values', {}, '1.0', '');

/** e = [dO, -o · dO] / g, from δ = o · dO */
export const upstreamRows = (sizes: Sizes, piece: Piece): Program =>
  valueRows(
    sizes,
    piece,
    'upstream',
    { delta: perToken(sizes, piece), g: perToken(sizes, piece) },
    '-delta[at][head]',
    '/g[at][head]',
  );
