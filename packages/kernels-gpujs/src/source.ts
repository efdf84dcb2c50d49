import type { MathText } from './math-text.ts';
import type { Extents, Program, Thread } from './program.ts';

/** How a mode wants its kernels written. */
export interface Dialect {
  readonly threads: (extents: Extents, integer: Thread['integer']) => Threads;
  /** Rows of the output that one thread computes where a program allows it. */
  readonly rowsPerThread: 1 | 4;
  readonly math: MathText;
  /** GLSL converts no float to an integer by itself: whole numbers stay floats there. */
  readonly floatIndexes: boolean;
}

/** The output that gpu.js is asked for, laid out like the extents, and what a thread's place in them is called. */
interface Threads {
  readonly output: readonly number[];
  readonly x: string;
  readonly y: string;
  readonly z: string;
  readonly prelude?: string;
}

const [x, y, z] = ['this.thread.x', 'this.thread.y', 'this.thread.z'];

export const threadLayouts = {
  direct: (extents) => ({ output: extents, x, y, z }),
  /** In constants: in the cpu mode `this.thread` is an object. */
  hoisted: (extents) => ({
    output: extents,
    x: 'ix',
    y: 'iy',
    z: 'iz',
    prelude: `const ix=${x}; const iy=${y}; const iz=${z};`,
  }),
  /** z instead of y where z is 1: of two extents GL would make a texture of y rows, which may be over its limit. */
  texture: ([width, rows, depth]) =>
    depth === 1 ? { output: [width, 1, rows], x, y: z, z: y } : { output: [width, rows, depth], x, y, z },
  /** One extent where the others are 1, or where they are over WebGPU's limit of workgroups: gpu.js folds it. */
  workgroups: (extents, integer) => {
    const [width, rows, depth] = extents;
    const count = width * rows * depth;
    if (rows === 1 && depth === 1) return { output: [count], x, y, z };
    if (width <= 8 * mostWorkgroups && rows <= 8 * mostWorkgroups && depth <= mostWorkgroups) {
      return { output: extents, x, y, z };
    }
    const prelude = `${divided('iz', 'rest', x, width * rows, integer)} ${divided('iy', 'ix', 'rest', width, integer)}`;
    return { output: [count], x: 'ix', y: 'iy', z: 'iz', prelude };
  },
} satisfies Record<string, Dialect['threads']>;

const mostWorkgroups = 65_535;

/** Quotient and remainder of whole numbers below 2^24: a float quotient may be one off, which its remainder tells. */
const divided = (quotient: string, remainder: string, i: string, n: number, integer: Thread['integer']): string => `
  ${integer(quotient, `Math.floor((${i}+0.5)/${n}.0)`)} ${integer(remainder, `${i}-${quotient}*${n}`)}
  if (${remainder}<0) { ${quotient}=${quotient}-1; ${remainder}=${remainder}+${n}; }
  if (${remainder}>=${n}) { ${quotient}=${quotient}+1; ${remainder}=${remainder}-${n}; }`;

/** gpu.js takes a local for an integer after `++`, and for a float by its point. */
const integerIn =
  ({ floatIndexes }: Dialect) =>
  (name: string, value: string): string =>
    floatIndexes ? `let ${name}=0.0; ${name}=${value};` : `let ${name}=0; ${name}++; ${name}=${value};`;

/** A program's text and extents in one mode. */
export interface Source {
  readonly text: string;
  readonly output: readonly number[];
  /** The output lies as [z][block][x][4]: row `rowOf(block, lane)` of the canonical layout. */
  readonly blocked: boolean;
}

const fourLanes = [0, 1, 2, 3];

/** Blocks of four rows; the last one moves up where rows are no multiple of four, so that none lies outside. */
export const blocksOf = (rows: number): number => Math.ceil(rows / 4);
const firstRowOf = (block: number, rows: number): number => Math.min(4 * block, rows - 4);

export function sourceOf(program: Program, dialect: Dialect): Source {
  const [width, rows, depth] = program.output;
  const blocked = dialect.rowsPerThread === 4 && program.byRows === true && rows >= 4;
  const integer = integerIn(dialect);
  const { output, prelude = '', x, y, z } = dialect.threads([width, blocked ? blocksOf(rows) : rows, depth], integer);
  const ragged = blocked && rows % 4 !== 0;
  const lastBlock = ragged ? `${integer('r', `${y}*4`)} if (r>${rows - 4}) { r=${rows - 4}; }` : '';
  const thread: Thread = {
    x,
    y,
    z,
    math: dialect.math,
    integer,
    lanes: blocked ? fourLanes : [0],
    row: (lane) => (!blocked ? y : ragged ? `r+${lane}` : `${y}*4+${lane}`),
  };
  const names = [...Object.keys(program.inputs), ...(program.numbers ?? [])];
  const text = `function(${names.join(', ')}) { ${prelude} ${lastBlock} ${program.body(thread)} }`;
  return { text, output, blocked };
}

/** Brings [z][block][x][4] into rows: `to` has the canonical layout. */
export function unblock(from: Float32Array, start: number, to: Float32Array, [width, rows, depth]: Extents): void {
  const blocks = blocksOf(rows);
  let at = start;
  for (let z = 0; z < depth; z++) {
    for (let block = 0; block < blocks; block++) {
      const row0 = (z * rows + firstRowOf(block, rows)) * width;
      const [row1, row2, row3] = [row0 + width, row0 + 2 * width, row0 + 3 * width];
      for (let x = 0; x < width; x++, at += 4) {
        to[row0 + x] = from[at];
        to[row1 + x] = from[at + 1];
        to[row2 + x] = from[at + 2];
        to[row3 + x] = from[at + 3];
      }
    }
  }
}
