import { binaryFunctions, broadcastStrides, type Shape, sizeOf, unaryFunctions } from '@linattn/math';
import { address } from '../device.ts';
import { blocksOf, type KernelsOf, rowsPerBlock } from './table.ts';

const blockSize = 16384;

export const elementwise: KernelsOf<'fill' | 'unary' | 'affine' | 'binary'> = (device) => ({
  fill: (_, { shape, value }, outputs) =>
    device.produce('fill', outputs, (y) => {
      const n = sizeOf(shape);
      device.run('fill', blocksOf(n, blockSize), [y, n, value, blockSize]);
    }),

  unary: ([x], { fn }, outputs) =>
    device.produce(fn, outputs, (y) => {
      const n = sizeOf(x!.shape);
      device.run('unary', blocksOf(n, blockSize), [address(x), y, n, unaryFunctions.indexOf(fn), blockSize]);
    }),

  affine: ([x], { scale, shift }, outputs) =>
    device.produce('affine', outputs, (y) => {
      const n = sizeOf(x!.shape);
      device.run('affine', blocksOf(n, blockSize), [address(x), y, n, scale, shift, blockSize]);
    }),

  binary: ([x, y], { fn }, outputs) =>
    device.produce(fn, outputs, (z) => {
      const { shape } = outputs[0];
      const n = sizeOf(shape);
      const [inner, ...outer] = collapse(
        shape,
        [x!, y!].map((input) => broadcastStrides(input.shape, shape)),
      );
      const code = binaryFunctions.indexOf(fn);
      const operands = [address(x), address(y), z, code, n];
      if (outer.length === 0) {
        // One long run: cut into rows of our own.
        const size = Math.min(inner.extent, blockSize);
        const rows = blocksOf(inner.extent, size);
        const [xStep, yStep] = inner.strides;
        device.run('binary', rows, [...operands, size, 1, xStep, yStep, 1, rows, xStep * size, yStep * size], 64);
        return;
      }
      const perBlock = rowsPerBlock(inner.extent);
      const axes = outer.flatMap(({ extent, strides }) => [extent, ...strides]);
      const values = [...operands, inner.extent, perBlock, ...inner.strides, outer.length, ...axes];
      device.run('binary', blocksOf(n / inner.extent, perBlock), values, 64);
    }),
});

interface Axis {
  extent: number;
  /** One for each operand. */
  strides: number[];
}

/** Axes from the last to the first, extents of 1 dropped and neighbours joined where all operands allow it. */
export function collapse(shape: Shape, strides: readonly (readonly number[])[]): Axis[] {
  const axes: Axis[] = [];
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (shape[axis] === 1) continue;
    const own = strides.map((of) => of[axis]);
    const last = axes.at(-1);
    if (last?.strides.every((stride, i) => own[i] === stride * last.extent)) last.extent *= shape[axis];
    else axes.push({ extent: shape[axis], strides: own });
  }
  return axes.length > 0 ? axes : [{ extent: 1, strides: strides.map(() => 1) }];
}
