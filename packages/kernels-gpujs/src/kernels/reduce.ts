import { type Kernel, type OpAttributes, type ReduceFunction, type Shape, sizeOf } from '@linattn/math';
import type { Buffer } from '../buffer.ts';
import type { Device } from '../devices/device.ts';
import type { Program } from '../program.ts';
import { bufferOf } from './handles.ts';

/** An array [outer][length][inner] of which the middle is reduced. */
interface Span {
  readonly outer: number;
  readonly length: number;
  readonly inner: number;
}

/** Longer sums go in two levels: the work spreads over more threads, and rounding grows with √length only. */
const longest = 256;

const folds: Readonly<Record<ReduceFunction, (total: string, value: string) => string>> = {
  sum: (total, value) => `${total}+=${value};`,
  max: (total, value) => `${total}=Math.max(${total}, ${value});`,
  min: (total, value) => `${total}=Math.min(${total}, ${value});`,
};

/** Reduces a span in one kernel: `parts` partial results, part p over elements p, p + parts, … */
function pass(fn: ReduceFunction, { outer, length, inner }: Span, parts: number): Program {
  const steps = Math.ceil(length / parts);
  const ragged = steps * parts > length;
  // Along x go neighbours in memory, so that threads side by side read side by side.
  const output =
    inner > 1 ? ([inner, parts, outer] as const) : parts > 1 ? ([parts, outer, 1] as const) : ([outer, 1, 1] as const);
  return {
    name: `${fn} ${outer},${length},${inner},${parts}`,
    inputs: { a: [inner, length, outer] },
    output,
    body: ({ x, y, z }) => {
      const [row, part, column] = inner > 1 ? [z, y, x] : parts > 1 ? [y, x, '0'] : [x, '0', '0'];
      const at = parts > 1 ? `j*${parts}+${part}` : 'j';
      const value = `a[${row}][${at}][${column}]`;
      const fold = folds[fn]('s', value);
      // The first element starts max and min: no number is below all others in every mode.
      const start = fn === 'sum' ? '0.0' : `a[${row}][${part}][${column}]`;
      const loop = (end: number) => `for (let j=${fn === 'sum' ? 0 : 1}; j<${end}; j++) { ${fold} }`;
      if (!ragged) return `let s=${start}; ${loop(steps)} return s;`;
      return `let s=${start}; ${loop(steps - 1)} const j=${steps - 1}; if (${part}<${length - (steps - 1) * parts}) { ${fold} } return s;`;
    },
  };
}

/** Reduces one span; the result is a new buffer of outer · inner. */
export function reduceSpan(device: Device, fn: ReduceFunction, source: Buffer, span: Span): Buffer {
  const { length } = span;
  if (length <= longest) return device.run(pass(fn, span, 1), [source]);
  const parts = Math.ceil(length / Math.max(longest / 2, Math.ceil(Math.sqrt(length))));
  const partial = device.run(pass(fn, span, parts), [source]);
  const result = reduceSpan(device, fn, partial, { ...span, length: parts });
  device.release(partial);
  return result;
}

/** The runs of neighbouring axes that are reduced, as spans of what the runs before them left. */
function spansOf(shape: Shape, axes: readonly number[]): Span[] {
  const spans: Span[] = [];
  const extents = [...shape];
  for (let axis = 0; axis < shape.length; axis++) {
    if (!axes.includes(axis)) continue;
    let end = axis + 1;
    while (axes.includes(end)) end++;
    const length = sizeOf(shape.slice(axis, end));
    for (let i = axis; i < end; i++) extents[i] = 1;
    spans.push({ outer: sizeOf(extents.slice(0, axis)), length, inner: sizeOf(extents.slice(end)) });
    axis = end;
  }
  return spans;
}

export const reduce =
  (device: Device): Kernel<OpAttributes['reduce']> =>
  ([x], { fn, axes }) => {
    const spans = spansOf(x!.shape, axes).filter(({ length }) => length > 1);
    if (spans.length === 0) return [device.run(pass(fn, { outer: 1, length: 1, inner: x!.size }, 1), [bufferOf(x)])];
    let current = bufferOf(x);
    for (const [i, span] of spans.entries()) {
      const next = reduceSpan(device, fn, current, span);
      if (i > 0) device.release(current);
      current = next;
    }
    return [current];
  };
