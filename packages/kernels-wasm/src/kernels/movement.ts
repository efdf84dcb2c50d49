import { broadcastStrides, type Shape, sizeOf, stridesOf } from '@linattn/math';
import { address, type Device } from '../device.ts';
import { collapse } from './elementwise.ts';
import { blocksOf, type KernelsOf, rowsPerBlock } from './table.ts';

export const movement: KernelsOf<
  'broadcast' | 'transpose' | 'slice' | 'pad' | 'concat' | 'gather' | 'scatterAdd' | 'oneHot'
> = (device) => ({
  broadcast: ([x], { shape }, outputs) =>
    device.produce('broadcast', outputs, (y) =>
      strided(device, address(x), y, shape, broadcastStrides(x!.shape, shape)),
    ),

  transpose: ([x], { permutation }, outputs) =>
    device.produce('transpose', outputs, (y) => {
      const strides = stridesOf(x!.shape);
      reorder(
        device,
        address(x),
        y,
        outputs[0].shape,
        permutation.map((axis) => strides[axis]),
      );
    }),

  slice: ([x], { axis, start, end }, outputs) =>
    device.produce('slice', outputs, (y) => {
      const inner = innerOf(x!.shape, axis);
      const length = (end - start) * inner;
      runs(device, address(x), x!.shape[axis] * inner, start * inner, y, length, 0, length, outerOf(x!.shape, axis));
    }),

  pad: ([x], { axis, before }, outputs) =>
    device.produce('pad', outputs, (y) => {
      const { shape } = outputs[0];
      const inner = innerOf(shape, axis);
      const length = x!.shape[axis] * inner;
      fillZero(device, y, sizeOf(shape));
      runs(device, address(x), length, 0, y, shape[axis] * inner, before * inner, length, outerOf(shape, axis));
    }),

  concat: (inputs, { axis }, outputs) =>
    device.produce('concat', outputs, (y) => {
      const { shape } = outputs[0];
      const inner = innerOf(shape, axis);
      let at = 0;
      for (const x of inputs) {
        const length = x!.shape[axis] * inner;
        runs(device, address(x), length, 0, y, shape[axis] * inner, at, length, outerOf(shape, axis));
        at += length;
      }
    }),

  gather: ([table, indices], _, outputs) =>
    device.produce('gather', outputs, (y) => {
      const [rows, width] = table!.shape;
      const n = sizeOf(indices!.shape);
      const perBlock = rowsPerBlock(width);
      device.run('gather', blocksOf(n, perBlock), [address(table), address(indices), y, rows, width, n, perBlock]);
    }),

  scatterAdd: ([indices, x], { rows }, outputs) =>
    device.produce('scatterAdd', outputs, (y) => {
      const width = outputs[0].shape[1];
      const columns = 32;
      const values = [address(indices), address(x), y, rows, width, sizeOf(indices!.shape), columns];
      device.run('scatterAdd', blocksOf(width, columns), values);
    }),

  oneHot: ([indices], { depth }, outputs) =>
    device.produce('oneHot', outputs, (y) => {
      const n = sizeOf(indices!.shape);
      const perBlock = rowsPerBlock(depth);
      device.run('oneHot', blocksOf(n, perBlock), [address(indices), y, depth, n, perBlock]);
    }),
});

const outerOf = (shape: Shape, axis: number): number => sizeOf(shape.slice(0, axis));
const innerOf = (shape: Shape, axis: number): number => sizeOf(shape.slice(axis + 1));

function fillZero(device: Device, y: number, n: number): void {
  const size = 65536;
  device.run('fill', blocksOf(n, size), [y, n, 0, size]);
}

function runs(
  device: Device,
  x: number,
  xStride: number,
  xStart: number,
  y: number,
  yStride: number,
  yStart: number,
  length: number,
  count: number,
): void {
  const perBlock = rowsPerBlock(length, 32768);
  const values = [x, xStride, xStart, y, yStride, yStart, length, count, perBlock];
  device.run('copyRuns', blocksOf(count, perBlock), values);
}

/** y (contiguous, of `shape`) from x under `strides`. */
function strided(device: Device, x: number, y: number, shape: Shape, strides: readonly number[]): void {
  const [inner, ...outer] = collapse(shape, [strides]);
  const rows = outer.reduce((product, { extent }) => product * extent, 1);
  const perBlock = rowsPerBlock(inner.extent);
  const axes = outer.flatMap((axis) => [axis.extent, ...axis.strides]);
  const values = [x, y, inner.extent, inner.strides[0], perBlock, rows, outer.length, ...axes];
  device.run('copyStrided', blocksOf(rows, perBlock), values);
}

/** As `strided`, by 4 x 4 tiles where x is contiguous along another axis than y. */
function reorder(device: Device, x: number, y: number, shape: Shape, strides: readonly number[]): void {
  // Joined axes keep their order, so y's strides follow from the extents.
  const axes = collapse(shape, [strides, stridesOf(shape)]);
  const [last, ...others] = axes;
  const contiguous = others.find((axis) => axis.strides[0] === 1);
  if (last.strides[0] === 1 || !contiguous) {
    strided(device, x, y, shape, strides);
    return;
  }
  // x seen as [rows: last, columns: contiguous] becomes y's [contiguous, last].
  const outer = others.filter((axis) => axis !== contiguous);
  const count = outer.reduce((product, { extent }) => product * extent, 1);
  const matrix = [last.extent, contiguous.extent, last.strides[0], contiguous.strides[1]];
  const values = [x, y, ...matrix, outer.length, ...outer.flatMap((axis) => [axis.extent, ...axis.strides])];
  device.run('transposeMatrices', count, values);
}
