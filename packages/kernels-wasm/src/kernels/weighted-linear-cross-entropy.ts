import { address, type Device } from '../device.ts';
import { blockHeight } from './loss.ts';
import { multiply, scratchBytes } from './matmul.ts';
import { blocksOf, type KernelsOf, rowsPerBlock } from './table.ts';

/** Up to so many words, a row of logits stays in the first cache while it is worked on. */
const fewWords = 1024;

/**
 * Words a piece of a larger vocabulary: logits of 1,024 words and 128 rows are 512 KiB, and those words 512 KiB at width 128; fewer
 * where that leaves less than 16 pieces to share.
 */
const wordsPerPiece = (words: number): number => {
  const pieces = blocksOf(words, Math.min(1024, Math.max(256, words / 16)));
  return Math.ceil(words / pieces / 8) * 8;
};

/** A block of rows: addresses and extents. */
interface Block {
  readonly x: number;
  readonly weight: number;
  readonly targets: number;
  readonly weights: number;
  readonly losses: number;
  readonly dx: number;
  readonly dWeight: number;
  readonly rows: number;
  readonly words: number;
  readonly width: number;
  /** dWeight has nothing yet. */
  readonly first: boolean;
}

/** Losses, their weighted sum, and its gradients with respect to x and weight from the same logits, a block of rows at a time. */
export const weightedLinearCrossEntropy: KernelsOf<'weightedLinearCrossEntropy'> = (device) => ({
  weightedLinearCrossEntropy: ([x, weight, targets, weights], _, outputs) =>
    device.produce('weightedLinearCrossEntropy', outputs, (total, losses, dx, dWeight) => {
      const [rows, width] = x!.shape;
      const words = weight!.shape[0];
      const height = blockHeight(rows, words);
      const blocks = Array.from({ length: blocksOf(rows, height) }, (_, i): Block => {
        const start = i * height;
        return {
          x: address(x) + start * width * 4,
          weight: address(weight),
          targets: address(targets) + start * 4,
          weights: address(weights) + start * 4,
          losses: losses + start * 4,
          dx: dx + start * width * 4,
          dWeight,
          rows: Math.min(height, rows - start),
          words,
          width,
          first: i === 0,
        };
      });
      if (words <= fewWords) whole(device, blocks);
      else inPieces(device, blocks);
      const [each, factors] = [losses, address(weights)].map((place) => device.floats(place, rows));
      device.floats(total, 1)[0] = each.reduce((sum, loss, i) => sum + loss * factors[i], 0);
    }),
});

/** Logits become their own gradients in place, and are used at once for both results. */
function whole(device: Device, blocks: readonly Block[]): void {
  device.borrow('weightedLinearCrossEntropy', blocks[0].rows * blocks[0].words * 4, (logits) => {
    for (const { x, weight, targets, weights, losses, dx, dWeight, rows: m, words: n, width: k, first } of blocks) {
      multiply(device, { m, n, k, a: x, b: weight, c: logits, transposeB: true });
      const perBlock = rowsPerBlock(n);
      const values = [logits, targets, weights, losses, m, n, perBlock];
      device.run('crossEntropyWithGradient', blocksOf(m, perBlock), values);
      multiply(device, { m, n: k, k: n, a: logits, b: weight, c: dx });
      const start = first ? 'zero' : 'add';
      multiply(device, { m: n, n: k, k: m, a: logits, b: x, c: dWeight, transposeA: true, start });
    }
  });
}

/** See assembly/loss/weighted-linear-cross-entropy.ts. */
function inPieces(device: Device, blocks: readonly Block[]): void {
  const { rows, words, width } = blocks[0];
  const piece = wordsPerPiece(words);
  const pieces = blocksOf(words, piece);
  const sizes = [rows * words, pieces * rows * width, pieces * rows, pieces * rows, rows];
  const total = sizes.reduce((sum, size) => sum + size, 0);
  device.borrow('weightedLinearCrossEntropy', total * 4, (base) => {
    let next = base;
    const own = sizes.map((size) => (next += size * 4) - size * 4);
    for (const { x, weight, targets, weights, losses, dx, dWeight, rows: m, first } of blocks) {
      const values = [x, weight, targets, weights, losses, dx, dWeight, ...own, m, words, width, piece, Number(!first)];
      device.run('exponentialsOfWords', pieces, values, scratchBytes);
      device.run('lossesOfWords', m, values);
      device.run('gradientsOfWords', pieces, values, scratchBytes + rows * width * 4);
      device.run('rowGradientOfWords', m, values);
    }
  });
}
