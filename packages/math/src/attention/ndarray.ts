import { NonFiniteError, ShapeError, ValueError } from '../errors.ts';
import { checkExtents, type Shape, sizeOf } from '../shape.ts';

/** Plain numbers on the host: row-major, contiguous. */
export interface NdArray {
  readonly shape: Shape;
  readonly data: Float64Array;
}

/**
 * An array of the given shape: zeros, or a copy of `values`.
 * @throws ShapeError, NonFiniteError naming `name`.
 */
export function ndarray(shape: Shape, values?: ArrayLike<number>, name = 'values'): NdArray {
  checkExtents(name, shape);
  const data = values ? Float64Array.from(values) : new Float64Array(sizeOf(shape));
  return checkNdArray(name, { shape: [...shape], data });
}

/** Throws unless `x` is an array of positive extents whose data are as many finite numbers. */
export function checkNdArray(name: string, x: NdArray): NdArray {
  if (!(Array.isArray(x?.shape) && x.data instanceof Float64Array)) {
    throw new ValueError(name, x, '{ shape: number[], data: Float64Array }');
  }
  checkExtents(name, x.shape);
  if (x.data.length !== sizeOf(x.shape)) {
    throw new ShapeError(name, `${x.data.length} numbers`, `[${x.shape.join(', ')}]`);
  }
  const index = x.data.findIndex((value) => !Number.isFinite(value));
  if (index >= 0) throw new NonFiniteError(name, x.data[index], index);
  return x;
}
