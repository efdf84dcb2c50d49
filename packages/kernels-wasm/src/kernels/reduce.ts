import { type ReduceFunction, type Shape, sizeOf } from '@linattn/math';
import { address, type Device } from '../device.ts';
import { blocksOf, type KernelsOf, rowsPerBlock } from './table.ts';

const codes: Readonly<Record<ReduceFunction, number>> = { sum: 0, max: 1, min: 2 };
/** Long reductions go over pieces of this many numbers (or rows) first: fixed, so that results never depend on threads. */
const pieceNumbers = 16384;
const pieceRows = 256;

export const reduce: KernelsOf<'reduce'> = (device) => ({
  reduce: ([x], { fn, axes }, outputs) =>
    device.produce(fn, outputs, (y) => {
      const groups = groupsOf(x!.shape, axes);
      reduceGroups(device, codes[fn], address(x), y, groups);
    }),
});

/** Extents [kept, reduced, kept, reduced, …, kept]: neighbours of one kind joined. */
function groupsOf(shape: Shape, axes: readonly number[]): number[] {
  const groups = [1];
  shape.forEach((extent, axis) => {
    if (extent === 1) return;
    const reduced = axes.includes(axis);
    if (reduced === (groups.length % 2 === 0)) groups[groups.length - 1] *= extent;
    else groups.push(extent);
  });
  if (groups.length % 2 === 0) groups.push(1);
  return groups;
}

/** The last reduced group first, then the others on what is left. */
function reduceGroups(device: Device, fn: number, x: number, y: number, groups: readonly number[]): void {
  if (groups.length === 1) {
    reduceMiddle(device, fn, x, y, groups[0], 1, 1);
    return;
  }
  const inner = groups.at(-1)!;
  const rows = groups.at(-2)!;
  const before = groups.slice(0, -2);
  const outer = sizeOf(before);
  if (before.length === 1) {
    reduceMiddle(device, fn, x, y, outer, rows, inner);
    return;
  }
  device.borrow('reduce', outer * inner * 4, (partial) => {
    reduceMiddle(device, fn, x, partial, outer, rows, inner);
    reduceGroups(device, fn, partial, y, [...before.slice(0, -1), before.at(-1)! * inner]);
  });
}

/** y[outer, inner] from x[outer, rows, inner]. */
export function reduceMiddle(
  device: Device,
  fn: number,
  x: number,
  y: number,
  outer: number,
  rows: number,
  inner: number,
): void {
  if (inner === 1) {
    reduceRows(device, fn, x, y, outer, rows);
    return;
  }
  const pieces = blocksOf(rows, pieceRows);
  if (pieces === 1) {
    device.run('reduceColumns', outer, [x, y, fn, rows, inner, rows, 1]);
    return;
  }
  device.borrow('reduce', outer * pieces * inner * 4, (partial) => {
    device.run('reduceColumns', outer * pieces, [x, partial, fn, rows, inner, pieceRows, pieces]);
    reduceMiddle(device, fn, partial, y, outer, pieces, inner);
  });
}

function reduceRows(device: Device, fn: number, x: number, y: number, rows: number, length: number): void {
  if (rows === 1 && length > 2 * pieceNumbers) {
    const pieces = blocksOf(length, pieceNumbers);
    device.borrow('reduce', pieces * 4, (partial) => {
      device.run('reduceRows', pieces, [x, partial, fn, length, pieceNumbers, 1]);
      reduceRows(device, fn, partial, y, 1, pieces);
    });
    return;
  }
  const perBlock = rowsPerBlock(length);
  device.run('reduceRows', blocksOf(rows, perBlock), [x, y, fn, rows * length, length, perBlock]);
}
