import type { MathText } from './math-text.ts';
import type { Extents, Program, Thread } from './program.ts';

/** How a mode wants its kernels written. */
export interface Dialect {
  /**
   * `hoisted`: thread indexes in constants, for the cpu mode, where `this.thread` is an object. `direct`: used as they are.
   * `swapped`: as direct, with y and z exchanged where z is 1: GL would make a texture of y rows, over its limit.
   */
  readonly threads: 'hoisted' | 'direct' | 'swapped';
  /** Rows of the output that one thread computes where a program allows it. */
  readonly rowsPerThread: 1 | 4;
  /** (n, 1, 1) becomes one-dimensional: WebGPU then folds what is over its limit of workgroups. */
  readonly flatOutput: boolean;
  readonly math: MathText;
  /** GLSL converts no float to an integer by itself: whole numbers stay floats there. */
  readonly floatIndexes: boolean;
}

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
export const firstRowOf = (block: number, rows: number): number => Math.min(4 * block, rows - 4);

export function sourceOf(program: Program, dialect: Dialect): Source {
  const [width, rows, depth] = program.output;
  const blocked = dialect.rowsPerThread === 4 && program.byRows === true && rows >= 4;
  const swap = dialect.threads === 'swapped' && depth === 1;
  const [x, y, z] =
    dialect.threads === 'hoisted'
      ? ['ix', 'iy', 'iz']
      : ['this.thread.x', swap ? 'this.thread.z' : 'this.thread.y', swap ? 'this.thread.y' : 'this.thread.z'];
  const ragged = blocked && rows % 4 !== 0;
  const integer = integerIn(dialect);
  const prelude = [
    dialect.threads === 'hoisted' ? 'const ix=this.thread.x; const iy=this.thread.y; const iz=this.thread.z;' : '',
    ragged ? `${integer('r', `${y}*4`)} if (r>${rows - 4}) { r=${rows - 4}; }` : '',
  ].join(' ');
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
  const text = `function(${names.join(', ')}) { ${prelude} ${program.body(thread)} }`;
  return { text, output: extentsOf([width, blocked ? blocksOf(rows) : rows, depth], dialect, swap), blocked };
}

function extentsOf([x, y, z]: Extents, { flatOutput }: Dialect, swap: boolean): readonly number[] {
  if (flatOutput && y === 1 && z === 1) return [x];
  return swap ? [x, z, y] : [x, y, z];
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
