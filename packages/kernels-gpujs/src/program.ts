import type { MathText } from './math-text.ts';

/** Extents of an array or of the threads: x runs fastest. */
export type Extents = readonly [x: number, y: number, z: number];

export const volume = ([x, y, z]: Extents): number => x * y * z;

/** How a kernel's text names its thread in one mode, and which rows of the output it computes. */
export interface Thread {
  readonly x: string;
  readonly y: string;
  readonly z: string;
  /** [0], or [0, 1, 2, 3] where a thread computes four rows that share a load. */
  readonly lanes: readonly number[];
  readonly math: MathText;
  /** Declares a local for whole numbers: indexes, and the ends of loops. */
  integer(name: string, value: string): string;
  /** The output row of a lane: y itself, or the block's. */
  row(lane: number): string;
}

/** One kernel, before it is compiled: everything (sizes, constants) is baked into its text. */
export interface Program {
  /** Tells programs apart: the operation and everything that `body` bakes in besides the extents. */
  readonly name: string;
  /** Arguments and the extents that the text indexes them by: [z][y][x], or [flat] for (n, 1, 1). */
  readonly inputs: Readonly<Record<string, Extents>>;
  /** Names of numbers that change from call to call; they follow the inputs as floats. */
  readonly numbers?: readonly string[];
  readonly output: Extents;
  /** The text may compute four rows (y) at a time; `body` must then go through `lanes` and `row`. */
  readonly byRows?: boolean;
  /** Statements ending in `return`. One lane returns a number, four return an array of four. */
  readonly body: (thread: Thread) => string;
}

/** A number as a float literal: gpu.js tells integers and floats apart by the point. */
export function float(value: number): string {
  if (!Number.isFinite(value)) return value > 0 ? '3.402823466e38' : '-3.402823466e38';
  const text = String(Math.fround(value));
  return /[.e]/.test(text) ? text : `${text}.0`;
}

/** One line a lane, joined. */
export const each = ({ lanes }: Thread, line: (lane: number) => string): string => lanes.map(line).join(' ');

/** Declares one running sum a lane: s0, s1, … */
export const sums = (thread: Thread, name = 's'): string => each(thread, (lane) => `let ${name}${lane}=0.0;`);

/** Returns one value a lane. */
export function returns({ lanes }: Thread, value: (lane: number) => string): string {
  return lanes.length === 1 ? `return ${value(0)};` : `return [${lanes.map(value).join(', ')}];`;
}

const key = (extents: Extents): string => extents.join('x');

export const keyOf = ({ name, inputs, numbers = [], output }: Program): string =>
  `${name}|${numbers}|${Object.values(inputs).map(key).join(',')}>${key(output)}`;
