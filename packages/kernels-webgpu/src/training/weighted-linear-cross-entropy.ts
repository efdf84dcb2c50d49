import type { Kernel } from '@linattn/math';
import { window } from '../core/kernels.ts';
import { product } from '../core/matmul.ts';
import { bufferOf, type Gpu, gridOf } from '../runtime/gpu.ts';
import type { Buffer } from '../runtime/pool.ts';
import { fourOf, storeOf, units } from '../runtime/rows.ts';
import { room, whole } from './linear-cross-entropy.ts';
import source from './logit-gradients.wgsl?raw';

/**
 * Cross entropy of x weightᵀ with its gradients, for a block of rows at a time: logits become their own gradients in place, and both
 * products use them.
 */
export function weightedLinearCrossEntropy(gpu: Gpu): Kernel<Record<never, never>> {
  // A row is read twice: the fewer are under way, the likelier it is in the cache the second time.
  const lanes = gpu.software ? 64 : Math.min(1024, gpu.device.limits.maxComputeInvocationsPerWorkgroup);
  const gradients = (words: number) => {
    const vector = !gpu.software && words % 4 === 0;
    return {
      name: `logitGradients${Number(vector)}`,
      source,
      constants: { LANES: lanes },
      declarations: units(vector) + fourOf('d', vector) + storeOf('d', vector),
    };
  };
  return ([x, weight, targets, weights]) => {
    const [rows, width] = x!.shape;
    const words = weight!.shape[0];
    const [bx, bw, bTargets, bWeights] = [x, weight, targets, weights].map(bufferOf);
    const losses = gpu.take('linearCrossEntropy', rows);
    const dx = gpu.take('linearCrossEntropy', rows * width);
    let dWeight: Buffer | undefined;
    const most = whole(Math.floor(room(gpu) / (4 * words)));
    const plainly = { batch: 1, transposeA: false, transposeB: false };
    for (let row = 0; row < rows; row += most) {
      const m = Math.min(most, rows - row);
      const first = row * width;
      const d = product(gpu, bx, bw, { ...plainly, m, n: words, k: width, transposeB: true }, { start: [first, 0] });
      gpu.run(gradients(words), [losses, d, bTargets, bWeights], [m, words, row], gridOf(m, 1));
      // Softmax less one-hot is at most 1.
      const bound = { buffer: bWeights, start: row, count: m };
      const part = product(gpu, d, bw, { ...plainly, m, n: width, k: words }, { bound });
      window(gpu, dx, part, { outShape: [rows, width], inShape: [m, width], axis: 0, shift: row, place: true });
      const size = { ...plainly, m: words, n: width, k: m, transposeA: true };
      dWeight = product(gpu, d, bx, size, { start: [0, first], into: dWeight, bound });
      gpu.give(d, part);
    }
    const total = product(gpu, losses, bWeights, { ...plainly, m: 1, n: 1, k: rows });
    return [total, losses, dx, dWeight!];
  };
}
