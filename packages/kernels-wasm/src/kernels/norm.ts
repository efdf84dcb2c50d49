import { sizeOf } from '@linattn/math';
import { address, type Device } from '../device.ts';
import { reduceMiddle } from './reduce.ts';
import { blocksOf, type KernelsOf, rowsPerBlock } from './table.ts';

type Names = 'layerNorm' | 'layerNormBackward' | 'rmsNorm' | 'rmsNormBackward' | 'l2Normalize' | 'l2NormalizeBackward';

/** Rows of a block in backward: each leaves its share of the parameters' gradients, so there should be few. */
const backwardRows = 128;

export const norm: KernelsOf<Names> = (device) => ({
  layerNorm: ([x, weight, bias], { epsilon }, outputs) =>
    device.produce('layerNorm', outputs, (y, mean, rstd) => {
      const { rows, width } = rowsOf(x!.shape);
      const perBlock = rowsPerBlock(width);
      const tensors = [x, weight, bias].map(address);
      device.run('layerNorm', blocksOf(rows, perBlock), [...tensors, y, mean, rstd, rows, width, epsilon, perBlock]);
    }),

  layerNormBackward: ([dy, x, weight, mean, rstd], _, outputs) =>
    device.produce('layerNormBackward', outputs, (dx, dWeight, dBias) => {
      const { rows, width } = rowsOf(x!.shape);
      const tensors = [dy, x, weight, mean, rstd].map(address);
      withShares(device, 'layerNormBackward', rows, width, [dWeight, dBias], (blocks, shares) =>
        device.run('layerNormBackward', blocks, [...tensors, dx, ...shares, rows, width, backwardRows]),
      );
    }),

  rmsNorm: ([x, weight], { epsilon }, outputs) =>
    device.produce('rmsNorm', outputs, (y, rstd) => {
      const { rows, width } = rowsOf(x!.shape);
      const perBlock = rowsPerBlock(width);
      const values = [address(x), address(weight), y, rstd, rows, width, epsilon, perBlock];
      device.run('rmsNorm', blocksOf(rows, perBlock), values);
    }),

  rmsNormBackward: ([dy, x, weight, rstd], _, outputs) =>
    device.produce('rmsNormBackward', outputs, (dx, dWeight) => {
      const { rows, width } = rowsOf(x!.shape);
      const tensors = [dy, x, weight, rstd].map(address);
      withShares(device, 'rmsNormBackward', rows, width, [dWeight], (blocks, shares) =>
        device.run('rmsNormBackward', blocks, [...tensors, dx, ...shares, rows, width, backwardRows]),
      );
    }),

  l2Normalize: ([x], { radius }, outputs) =>
    device.produce('l2Normalize', outputs, (y) => {
      const { rows, width } = rowsOf(x!.shape);
      const perBlock = rowsPerBlock(width);
      device.run('l2Normalize', blocksOf(rows, perBlock), [address(x), y, rows, width, radius, perBlock]);
    }),

  l2NormalizeBackward: ([x, dy], { radius }, outputs) =>
    device.produce('l2NormalizeBackward', outputs, (dx) => {
      const { rows, width } = rowsOf(x!.shape);
      const perBlock = rowsPerBlock(width);
      const values = [address(x), address(dy), dx, rows, width, radius, perBlock];
      device.run('l2NormalizeBackward', blocksOf(rows, perBlock), values, (width + 8) * 4);
    }),
});

function rowsOf(shape: readonly number[]): { rows: number; width: number } {
  const width = shape.at(-1)!;
  return { rows: sizeOf(shape) / width, width };
}

/** Runs a kernel whose blocks each leave a share of some [width] results, then sums the shares in order. */
function withShares(
  device: Device,
  operation: string,
  rows: number,
  width: number,
  results: readonly number[],
  run: (blocks: number, shares: readonly number[]) => void,
): void {
  const blocks = blocksOf(rows, backwardRows);
  const floats = blocks * width;
  device.borrow(operation, results.length * floats * 4, (first) => {
    const shares = results.map((_, i) => first + i * floats * 4);
    run(blocks, shares);
    results.forEach((result, i) => {
      reduceMiddle(device, 0, shares[i], result, 1, blocks, width);
    });
  });
}
