import { ShapeError } from './errors.ts';

/** Extents of a row-major, contiguous tensor; `[]` is a scalar. */
export type Shape = readonly number[];

/** Elements of a tensor of this shape; 1 for a scalar. */
export const sizeOf = (shape: Shape): number => {
  let size = 1;
  for (const extent of shape) size *= extent;
  return size;
};

/** True when rank and extents are the same. */
export const sameShape = (x: Shape, y: Shape): boolean => x.length === y.length && x.every((n, i) => n === y[i]);

/** Throws unless every extent is a positive integer. */
export function checkExtents(argument: string, shape: Shape): void {
  for (const extent of shape) {
    if (!Number.isInteger(extent) || extent < 1) throw new ShapeError(argument, shape, 'positive integer extents');
  }
}

/** @throws ShapeError naming `argument` unless the shape has this rank. */
export function checkRank(argument: string, shape: Shape, rank: number): void {
  if (shape.length !== rank) throw new ShapeError(argument, shape, `rank ${rank}`);
}

/** @throws ShapeError naming `argument` unless the shapes are the same. */
export function checkShape(argument: string, given: Shape, expected: Shape): void {
  if (!sameShape(given, expected)) throw new ShapeError(argument, given, `[${expected.join(', ')}]`);
}

/** Row-major strides. */
export function stridesOf(shape: Shape): number[] {
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = stride;
    stride *= shape[axis];
  }
  return strides;
}

/** NumPy broadcasting: trailing axes are aligned, an extent of 1 stretches. */
export function broadcastShapes(x: Shape, y: Shape, argument = 'y'): number[] {
  const rank = Math.max(x.length, y.length);
  return Array.from({ length: rank }, (_, axis) => {
    const m = x[axis - rank + x.length] ?? 1;
    const n = y[axis - rank + y.length] ?? 1;
    if (m !== n && m !== 1 && n !== 1)
      throw new ShapeError(argument, y, `a shape that broadcasts with [${x.join(', ')}]`);
    return Math.max(m, n);
  });
}

/** Strides to read `shape` as if it had been stretched to `target`: 0 along stretched axes. */
export function broadcastStrides(shape: Shape, target: Shape): number[] {
  const own = stridesOf(shape);
  const shift = target.length - shape.length;
  return target.map((_, axis) => (axis < shift || shape[axis - shift] === 1 ? 0 : own[axis - shift]));
}

/** Axis counted from the end when negative. */
export function resolveAxis(axis: number, rank: number, argument = 'axis'): number {
  const resolved = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(axis) || resolved < 0 || resolved >= rank) {
    throw new ShapeError(argument, axis, `an integer in [${-rank}, ${rank})`);
  }
  return resolved;
}
