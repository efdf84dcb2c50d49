import { address, type Device } from '../device.ts';
import { multiply } from './matmul.ts';
import { blocksOf, type KernelsOf, rowsPerBlock } from './table.ts';

type Names = 'crossEntropy' | 'crossEntropyBackward' | 'linearCrossEntropy' | 'linearCrossEntropyBackward';

/** Logits of a row block stay under this many numbers (a million: 4 MiB), but for a vocabulary over 8,192 it has 128 rows. */
const blockElements = 1 << 20;
const leastRows = 128;

/** Rows of a block, of `rows` in all. */
export const blockHeight = (rows: number, width: number): number =>
  Math.min(rows, Math.max(leastRows, Math.floor(blockElements / width)));

export const loss: KernelsOf<Names> = (device) => ({
  crossEntropy: ([logits, targets], _, outputs) =>
    device.produce('crossEntropy', outputs, (losses, logSum) => {
      const [rows, width] = logits!.shape;
      forward(device, address(logits), address(targets), losses, logSum, rows, width);
    }),

  crossEntropyBackward: ([logits, targets, logSum, dy], _, outputs) =>
    device.produce('crossEntropyBackward', outputs, (dLogits) => {
      const [rows, width] = logits!.shape;
      backward(device, [logits, targets, logSum, dy].map(address), dLogits, rows, width);
    }),

  linearCrossEntropy: ([x, weight, targets], _, outputs) =>
    device.produce('linearCrossEntropy', outputs, (losses, logSum) => {
      const [rows, k] = x!.shape;
      const n = weight!.shape[0];
      eachBlock(device, 'linearCrossEntropy', rows, n, (logits, start, m) => {
        const a = address(x) + start * k * 4;
        multiply(device, { m, n, k, a, b: address(weight), c: logits, transposeB: true });
        forward(device, logits, address(targets) + start * 4, losses + start * 4, logSum + start * 4, m, n);
      });
    }),

  // Logits of a block are computed again, become their own gradients in place, and are used at once for both results.
  linearCrossEntropyBackward: ([x, weight, targets, logSum, dy], _, outputs) =>
    device.produce('linearCrossEntropyBackward', outputs, (dx, dWeight) => {
      const [rows, k] = x!.shape;
      const n = weight!.shape[0];
      eachBlock(device, 'linearCrossEntropyBackward', rows, n, (logits, start, m) => {
        const part = address(x) + start * k * 4;
        multiply(device, { m, n, k, a: part, b: address(weight), c: logits, transposeB: true });
        const given = [targets, logSum, dy].map((tensor) => address(tensor) + start * 4);
        backward(device, [logits, ...given], logits, m, n);
        multiply(device, { m, n: k, k: n, a: logits, b: address(weight), c: dx + start * k * 4 });
        const from = start === 0 ? 'zero' : 'add';
        multiply(device, { m: n, n: k, k: m, a: logits, b: part, c: dWeight, transposeA: true, start: from });
      });
    }),
});

function forward(
  device: Device,
  logits: number,
  targets: number,
  losses: number,
  logSum: number,
  rows: number,
  width: number,
): void {
  const perBlock = rowsPerBlock(width);
  device.run('crossEntropy', blocksOf(rows, perBlock), [logits, targets, losses, logSum, rows, width, perBlock]);
}

function backward(device: Device, inputs: readonly number[], dLogits: number, rows: number, width: number): void {
  const perBlock = rowsPerBlock(width);
  device.run('crossEntropyBackward', blocksOf(rows, perBlock), [...inputs, dLogits, rows, width, perBlock]);
}

function eachBlock(
  device: Device,
  operation: string,
  rows: number,
  width: number,
  body: (logits: number, start: number, rows: number) => void,
): void {
  const height = blockHeight(rows, width);
  device.borrow(operation, height * width * 4, (logits) => {
    for (let start = 0; start < rows; start += height) body(logits, start, Math.min(height, rows - start));
  });
}
