import { LimitError } from '@linattn/math';

/** An axis with its stride in each operand. */
export interface Axis {
  readonly extent: number;
  readonly strides: readonly number[];
}

/** Most axes a kernel walks, after neighbours that lie in memory as one were joined. */
const most = 8;

/** Joins neighbouring axes that every operand walks as one, and drops those of extent 1. */
export function collapse(axes: readonly Axis[]): Axis[] {
  const joined: Axis[] = [];
  for (const axis of axes) {
    if (axis.extent === 1) continue;
    const last = joined.at(-1);
    if (last?.strides.every((stride, i) => stride === axis.extent * axis.strides[i])) {
      joined[joined.length - 1] = { extent: last.extent * axis.extent, strides: axis.strides };
    } else joined.push(axis);
  }
  if (joined.length > most) throw new LimitError('rank', joined.length, 'axes that a WebGPU kernel walks', most);
  return joined;
}

/** Pads to the eight words of two vec4u. */
export const eight = (values: readonly number[]): number[] => Array.from({ length: most }, (_, i) => values[i] ?? 0);
