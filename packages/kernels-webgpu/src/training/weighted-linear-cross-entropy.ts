import type { Kernel } from '@linattn/math';
import { window } from '../core/kernels.ts';
import { product, rowStatistics, statisticsBytes } from '../core/matmul.ts';
import { bufferOf, type Gpu, gridOf } from '../runtime/gpu.ts';
import { fourOf, storeOf, units } from '../runtime/rows.ts';
import { logSums, room, whole } from './linear-cross-entropy.ts';
import source from './logit-gradients.wgsl?raw';

/**
 * Cross entropy of x weightᵀ with its gradients. For a block of rows at a time: logits with what each tile found of its rows; from that log Σ
 * exp; then the logits become their own gradients in place, and both products use them.
 */
export function weightedLinearCrossEntropy(gpu: Gpu): Kernel<Record<never, never>> {
  return ([x, weight, targets, weights]) => {
    const [rows, width] = x!.shape;
    const words = weight!.shape[0];
    const [bx, bw, bTargets, bWeights] = [x, weight, targets, weights].map(bufferOf);
    const [losses, logSum] = [gpu.take('linearCrossEntropy', rows), gpu.take('linearCrossEntropy', rows)];
    const dx = gpu.take('linearCrossEntropy', rows * width);
    let dWeight: ReturnType<typeof product> | undefined;
    const most = whole(Math.floor(room(gpu) / Math.max(4 * words, statisticsBytes(gpu, words))));
    const vector = !gpu.software && words % 4 === 0;
    const program = {
      name: `logitGradients${Number(vector)}`,
      source,
      constants: {},
      declarations: units(vector) + fourOf('d', vector) + storeOf('d', vector),
    };
    const plainly = { batch: 1, transposeA: false, transposeB: false };
    for (let row = 0; row < rows; row += most) {
      const m = Math.min(most, rows - row);
      const start = row * width;
      const d = gpu.take('linearCrossEntropy', m * words);
      const found = rowStatistics(gpu, bx, bw, { ...plainly, m, n: words, k: width, transposeB: true }, start, d);
      logSums(gpu, [losses, logSum], found, [bx, bw, bTargets], { rows: m, width, words, row0: row });
      const fours = Math.ceil(words / 4);
      gpu.run(program, [d, logSum, bTargets, bWeights], [m, words, fours, row], gridOf(m * fours, 256));
      // Softmax less one-hot is at most 1.
      const bound = { buffer: bWeights, start: row, count: m };
      const part = product(gpu, d, bw, { ...plainly, m, n: width, k: words }, { bound });
      window(gpu, dx, part, { outShape: [rows, width], inShape: [m, width], axis: 0, shift: row, place: true });
      const size = { ...plainly, m: words, n: width, k: m, transposeA: true };
      dWeight = product(gpu, d, bx, size, { start: [0, start], into: dWeight, bound });
      gpu.give(d, part);
    }
    const total = product(gpu, losses, bWeights, { ...plainly, m: 1, n: 1, k: rows });
    gpu.give(logSum);
    return [total, losses, dx, dWeight!];
  };
}
