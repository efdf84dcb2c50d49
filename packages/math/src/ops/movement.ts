import { ShapeError } from '../errors.ts';
import { apply, defineOp } from '../op.ts';
import { checkExtents, resolveAxis, type Shape, sizeOf } from '../shape.ts';
import type { Tensor } from '../tensor.ts';
import type { OpAttributes } from './attributes.ts';

const withExtent = (shape: Shape, axis: number, extent: number): Shape =>
  shape.map((n, i) => (i === axis ? extent : n));

const reshapeOp = defineOp<{ readonly shape: Shape }>({
  name: 'reshape',
  indices: 'any',
  view: true,
  infer: ([x], { shape }) => {
    checkExtents('shape', shape);
    if (sizeOf(shape) !== sizeOf(x!.shape))
      throw new ShapeError('shape', shape, `${sizeOf(x!.shape)} elements, as [${x!.shape.join(', ')}]`);
    return [{ shape, dtype: x!.dtype }];
  },
  vjp: ({ inputSpecs: [x], gradients: [dy] }) => [reshape(dy!, x!.shape)],
});

/** The same numbers under another shape; no copy. One extent may be -1: it is worked out. */
export function reshape(x: Tensor, shape: Shape): Tensor {
  const known = shape.reduce((size, extent) => (extent === -1 ? size : size * extent), 1);
  return apply(reshapeOp, [x], { shape: shape.map((extent) => (extent === -1 ? x.size / known : extent)) })[0];
}

const transposeOp = defineOp<OpAttributes['transpose']>({
  name: 'transpose',
  indices: 'any',
  infer: ([x], { permutation }) => {
    if (permutation.length !== x!.shape.length || new Set(permutation).size !== permutation.length) {
      throw new ShapeError('permutation', permutation, `an ordering of ${x!.shape.length} axes`);
    }
    return [{ shape: permutation.map((axis) => x!.shape[axis]), dtype: x!.dtype }];
  },
  vjp: ({ attributes: { permutation }, gradients: [dy] }) => [
    transpose(
      dy!,
      permutation.map((_, axis) => permutation.indexOf(axis)),
    ),
  ],
});

/** Axis i of the result is axis `permutation[i]` of x; all axes reversed when omitted. */
export const transpose = (x: Tensor, permutation: readonly number[] = x.shape.map((_, i) => x.rank - 1 - i)): Tensor =>
  apply(transposeOp, [x], { permutation: permutation.map((axis) => resolveAxis(axis, x.rank, 'permutation')) })[0];

const sliceOp = defineOp<OpAttributes['slice']>({
  name: 'slice',
  indices: 'any',
  infer: ([x], { axis, start, end }) => {
    const extent = x!.shape[axis];
    if (!(Number.isInteger(start) && Number.isInteger(end) && start >= 0 && start < end && end <= extent)) {
      throw new ShapeError('slice', [start, end], `0 <= start < end <= ${extent}`);
    }
    return [{ shape: withExtent(x!.shape, axis, end - start), dtype: x!.dtype }];
  },
  vjp: ({ attributes: { axis, start, end }, inputSpecs: [x], gradients: [dy] }) => [
    pad(dy!, axis, start, x!.shape[axis] - end),
  ],
});

/** x[start..end) along one axis. */
export function slice(x: Tensor, axis: number, start: number, end: number): Tensor {
  const along = resolveAxis(axis, x.rank);
  if (start === 0 && end === x.shape[along]) return reshape(x, x.shape);
  return apply(sliceOp, [x], { axis: along, start, end })[0];
}

const padOp = defineOp<OpAttributes['pad']>({
  name: 'pad',
  indices: 'any',
  infer: ([x], { axis, before, after }) => {
    if (!(Number.isInteger(before) && Number.isInteger(after) && before >= 0 && after >= 0)) {
      throw new ShapeError('pad', [before, after], 'integers >= 0');
    }
    return [{ shape: withExtent(x!.shape, axis, x!.shape[axis] + before + after), dtype: x!.dtype }];
  },
  vjp: ({ attributes: { axis, before }, inputSpecs: [x], gradients: [dy] }) => [
    slice(dy!, axis, before, before + x!.shape[axis]),
  ],
});

/** Zeros before and after along one axis. */
export function pad(x: Tensor, axis: number, before: number, after: number): Tensor {
  const along = resolveAxis(axis, x.rank);
  return before === 0 && after === 0 ? reshape(x, x.shape) : apply(padOp, [x], { axis: along, before, after })[0];
}

const concatOp = defineOp<OpAttributes['concat']>({
  name: 'concat',
  indices: 'any',
  infer: (inputs, { axis }) => {
    const [first] = inputs;
    if (!first) throw new ShapeError('concat', 0, 'at least one tensor');
    for (const [i, input] of inputs.entries()) {
      if (
        input!.shape.length !== first.shape.length ||
        input!.shape.some((n, k) => k !== axis && n !== first.shape[k])
      ) {
        throw new ShapeError(
          `concat[${i}]`,
          input!.shape,
          `the extents of [${first.shape.join(', ')}] but along axis ${axis}`,
        );
      }
      if (input!.dtype !== first.dtype)
        throw new ShapeError(`concat[${i}]`, input!.dtype, `${first.dtype}, as the first`);
    }
    const extent = inputs.reduce((total, input) => total + input!.shape[axis], 0);
    return [{ shape: withExtent(first.shape, axis, extent), dtype: first.dtype }];
  },
  vjp: ({ attributes: { axis }, inputSpecs, needs, gradients: [dy] }) => {
    let end = 0;
    return inputSpecs.map((input, i) => {
      const start = end;
      end += input!.shape[axis];
      return needs[i] ? slice(dy!, axis, start, end) : undefined;
    });
  },
});

/** Tensors one after the other along an axis. */
export const concat = (tensors: readonly Tensor[], axis: number): Tensor =>
  tensors.length === 1
    ? reshape(tensors[0], tensors[0].shape)
    : apply(concatOp, tensors, { axis: resolveAxis(axis, tensors[0]?.rank ?? 0) })[0];
