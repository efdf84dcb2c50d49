import type { Program } from '../../program.ts';
import { quotient } from '../../strides.ts';
import { chunkStates, headStates, outerStates, type Piece, type Sizes } from './plan.ts';

/** Chunks of a group in the two-level prefix sum. */
export const groupOf = (chunks: number): number => Math.ceil(Math.sqrt(chunks));

/** Sums of groups of chunk states: [heads · groups][features][values]. */
export function groupSums(sizes: Sizes, piece: Piece): Program {
  const { chunks } = piece;
  const group = groupOf(chunks);
  const groups = Math.ceil(chunks / group);
  const [width, height, depth] = chunkStates(sizes, piece);
  return {
    name: `group sums ${chunks}`,
    inputs: { a: [width, height, depth] },
    output: [width, height, (depth / chunks) * groups],
    body: ({ x, y, z, integer }) => `
      ${integer('head', quotient(z, groups))}
      ${integer('first', `(${z}-head*${groups})*${group}`)}
      ${integer('steps', `${chunks}-first`)} if (steps>${group}) { steps=${group}; }
      first=first+head*${chunks};
      let s=0.0; for (let c=0; c<steps; c++) { s+=a[first+c][${y}][${x}]; } return s;`,
  };
}

/**
 * What lies before (`forward`) or after (`reverse`) each chunk: the initial state, if any, the groups before and the chunks of
 * its group before. [Z][features][values]
 */
export function exclusiveSums(sizes: Sizes, piece: Piece, reverse: boolean, initial: boolean): Program {
  const { chunks } = piece;
  const group = groupOf(chunks);
  const groups = Math.ceil(chunks / group);
  const extents = chunkStates(sizes, piece);
  const [width, height] = extents;
  return {
    name: `exclusive sums ${chunks}${reverse ? ' reverse' : ''}`,
    inputs: {
      a: extents,
      sums: [width, height, (extents[2] / chunks) * groups],
      ...(initial ? { start: headStates(sizes) } : {}),
    },
    output: extents,
    body: ({ x, y, z, integer }) => `
      ${integer('head', quotient(z, chunks))}
      ${integer('chunk', `${z}-head*${chunks}`)}
      ${integer('group', quotient('chunk', group))}
      ${integer('first', reverse ? 'group+1' : '0')}
      ${integer('steps', reverse ? `${groups}-first` : 'group')}
      let s=${initial ? `start[head][${y}][${x}]` : '0.0'};
      for (let i=0; i<steps; i++) { s+=sums[head*${groups}+first+i][${y}][${x}]; }
      first=${reverse ? 'chunk+1' : `group*${group}`};
      steps=${reverse ? `(group+1)*${group}-first` : 'chunk-first'};
      ${reverse ? `if (steps>${chunks}-first) { steps=${chunks}-first; }` : ''}
      for (let k=0; k<steps; k++) { s+=a[head*${chunks}+first+k][${y}][${x}]; }
      return s;`,
  };
}

/** One state a head: the sum over its groups, and the state before, if any. */
export function totals(sizes: Sizes, piece: Piece, initial: boolean): Program {
  const groups = Math.ceil(piece.chunks / groupOf(piece.chunks));
  const [width, height, heads] = headStates(sizes);
  return {
    name: 'totals',
    inputs: { sums: [width, height, heads * groups], ...(initial ? { start: headStates(sizes) } : {}) },
    output: [width, height, heads],
    body: ({ x, y, z }) => `
      let s=${initial ? `start[${z}][${y}][${x}]` : '0.0'};
      for (let i=0; i<${groups}; i++) { s+=sums[${z}*${groups}+i][${y}][${x}]; } return s;`,
  };
}

/** From the state's own order of rows, [1, k, k⊗k], to the kernels', [k, 1, k⊗k], with zeros to fours. */
export function importState(sizes: Sizes): Program {
  const [columns, count] = outerStates(sizes);
  return {
    name: `import state ${sizes.headDim}`,
    inputs: { a: outerStates(sizes) },
    output: headStates(sizes),
    body: ({ x, y, z, integer }) => `
      ${integer('row', `${y}+1`)} if (${y}===${sizes.headDim}) { row=0; } if (${y}>${sizes.headDim}) { row=${y}; }
      let s=0.0; if (row<${count}) { if (${x}<${columns}) { s=a[${z}][row][${x}]; } } return s;`,
  };
}

/** And back. */
export const exportState = (sizes: Sizes): Program => ({
  name: `export state ${sizes.headDim}`,
  inputs: { a: headStates(sizes) },
  output: outerStates(sizes),
  body: ({ x, y, z, integer }) => `
    ${integer('row', `${y}-1`)} if (${y}===0) { row=${sizes.headDim}; } if (${y}>${sizes.headDim}) { row=${y}; }
    return a[${z}][row][${x}];`,
});
