import { type Shape, sizeOf } from '@linattn/math';
import type { Extents, Thread } from './program.ts';

/** Axes that several operands are walked over together, as few as their strides allow. */
export interface Walk {
  readonly shape: readonly number[];
  /** Strides of each operand along `shape`. */
  readonly strides: readonly (readonly number[])[];
}

/** Drops axes of one element and merges neighbours that every operand steps over evenly. */
export function collapse(shape: Shape, strides: readonly (readonly number[])[]): Walk {
  const kept = shape.flatMap((extent, axis) => (extent === 1 ? [] : [axis]));
  const merged: number[] = [];
  const steps: number[][] = strides.map(() => []);
  for (const axis of kept) {
    const last = merged.length - 1;
    const even = last >= 0 && strides.every((of, i) => steps[i][last] === of[axis] * shape[axis]);
    if (even) {
      merged[last] *= shape[axis];
      strides.forEach((of, i) => {
        steps[i][last] = of[axis];
      });
    } else {
      merged.push(shape[axis]);
      strides.forEach((of, i) => {
        steps[i].push(of[axis]);
      });
    }
  }
  return { shape: merged, strides: steps };
}

/** Threads for a walk: its last axis is x, the one before y, all others share z. */
export function threadsOf({ shape }: Walk): Extents {
  const [x = 1, y = 1] = [shape.at(-1), shape.at(-2)];
  return [x, y, sizeOf(shape.slice(0, -2))];
}

/**
 * floor(i / n) as text, for whole i >= 0 below 2^21: half a step keeps the quotient off the integers, where a division that
 * is not rounded correctly (GPUs) could fall to the wrong side.
 */
export const quotient = (i: string, n: number): string => (n === 1 ? i : `Math.floor((${i}+0.5)/${n}.0)`);
const remainder = (i: string, n: number): string => `(${i}-${quotient(i, n)}*${n})`;

/** A thread's coordinates along the walk's axes, as text. */
export function coordinates({ shape }: Walk, { x, y, z }: Thread): string[] {
  const rest = shape.slice(0, -2);
  const leading = rest.map((extent, axis) => {
    const inner = sizeOf(rest.slice(axis + 1));
    const outer = quotient(z, inner);
    return axis === 0 ? outer : remainder(outer, extent);
  });
  return [...leading, ...[y, x].slice(2 - Math.min(2, shape.length))];
}

/** Σ coordinate · stride as text; floats and integers are both exact here, below 2^24. */
export function offset(coordinates: readonly string[], strides: readonly number[], start = 0): string {
  const terms = coordinates.flatMap((at, i) =>
    strides[i] === 0 ? [] : [strides[i] === 1 ? at : `${at}*${strides[i]}`],
  );
  if (start > 0) terms.push(String(start));
  return terms.join('+') || '0';
}
