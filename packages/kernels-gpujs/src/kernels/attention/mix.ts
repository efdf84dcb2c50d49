import { type Extents, each, type Program, returns, sums, type Thread } from '../../program.ts';
import { quotient } from '../../strides.ts';
import { summing } from '../matmul.ts';

/** Products of the rows of a chunk with each other, where row i sees row j <= i; 0 elsewhere. [Z][chunk][chunk] */
export function scores(width: number, chunk: number, depth: number): Program {
  return {
    name: 'scores',
    inputs: { a: [width, chunk, depth], b: [width, chunk, depth] },
    output: [chunk, chunk, depth],
    byRows: true,
    body: (thread) => {
      const { x, z, row } = thread;
      const loop = summing(
        thread,
        width,
        (k, sum) =>
          `const w=b[${z}][${x}][${k}]; ${each(thread, (lane) => `${sum}${lane}+=a[${z}][${row(lane)}][${k}]*w;`)}`,
      );
      return `${loop} ${each(thread, (lane) => `if (${x}>${row(lane)}) { s${lane}=0.0; }`)} ${returns(thread, (lane) => `s${lane}`)}`;
    },
  };
}

/** What a row of a chunk is mixed of. */
export interface Mix {
  /** Rows that look at a state [.][features][values]: along its features, or, transposed, along its values. */
  readonly state?: { readonly transposed: boolean; readonly perChunk: boolean };
  /** Scores of the chunk times rows: of those before and itself, or, transposed, of those after and itself. */
  readonly scores?: { readonly transposed: boolean };
}

/** left · state + scores · right, for every row of every chunk: [Z][chunk][output width]. */
export function mix(kind: Mix, left: Extents, state: Extents, width: number, chunks: number): Program {
  const [inner, chunk, depth] = left;
  return {
    name: `mix ${JSON.stringify(kind)} ${chunks}`,
    inputs: {
      ...(kind.state ? { a: left, state } : {}),
      ...(kind.scores ? { m: [chunk, chunk, depth] as const, b: [width, chunk, depth] as const } : {}),
    },
    output: [width, chunk, depth],
    byRows: true,
    body: (thread) => {
      const head = kind.state && !kind.state.perChunk && chunks > 1;
      return `
        ${head ? thread.integer('head', quotient(thread.z, chunks)) : ''}
        ${kind.state ? lookAt(thread, kind.state.transposed, inner, head ? 'head' : thread.z) : sums(thread)}
        ${kind.scores ? (kind.scores.transposed ? later(thread, chunk) : earlier(thread)) : ''}
        ${returns(thread, (lane) => `s${lane}`)}`;
    },
  };
}

function lookAt(thread: Thread, transposed: boolean, inner: number, of: string): string {
  const { x, z, row } = thread;
  return summing(thread, inner, (k, sum) => {
    const value = transposed ? `state[${of}][${x}][${k}]` : `state[${of}][${k}][${x}]`;
    return `const w=${value}; ${each(thread, (lane) => `${sum}${lane}+=a[${z}][${row(lane)}][${k}]*w;`)}`;
  });
}

/** Rows up to the last lane's: scores above the diagonal are 0. */
const earlier = (thread: Thread): string => {
  const { x, z, row, lanes } = thread;
  const terms = each(thread, (lane) => `s${lane}+=m[${z}][${row(lane)}][j]*v;`);
  return `for (let j=0; j<${row(lanes.length - 1)}+1; j++) { const v=b[${z}][j][${x}]; ${terms} }`;
};

/** Rows from the first lane's on. */
const later = (thread: Thread, chunk: number): string => {
  const { x, z, row } = thread;
  const terms = each(thread, (lane) => `s${lane}+=m[${z}][i][${row(lane)}]*v;`);
  return `for (let i=${row(0)}; i<${chunk}; i+=1) { const v=b[${z}][i][${x}]; ${terms} }`;
};
