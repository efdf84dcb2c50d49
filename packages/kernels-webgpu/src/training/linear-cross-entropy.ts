import type { KernelTable } from '@linattn/math';
import { window } from '../core/kernels.ts';
import { product, rowStatistics, statisticsBytes } from '../core/matmul.ts';
import { bufferOf, type Gpu, gridOf } from '../runtime/gpu.ts';
import mergeSource from './linear-cross-entropy.wgsl?raw';

/** Knobs that benchmarks and tests turn: logits, or their gradients, that are held at a time, in bytes. */
export const crossEntropyTuning = { bytes: 256 * 2 ** 20 };

/** The same within the device's limits. */
export const room = (gpu: Gpu): number =>
  Math.min(crossEntropyTuning.bytes, gpu.device.limits.maxStorageBufferBindingSize);

/** At most `count`, in whole tiles where it is more than one, and in fours for the sake of wide loads. */
export const whole = (count: number): number => Math.max(4, count - (count % (count > 128 ? 128 : 4)));

/** dy (softmax(v) - onehot) of logits v, by row. */
const gradientOfLogits = `@group(0) @binding(4) var<storage, read> targets: array<i32>;
@group(0) @binding(5) var<storage, read> logSum: array<f32>;
@group(0) @binding(6) var<storage, read> dy: array<f32>;
fn finish(row: u32, column: u32, v: vec4f) -> vec4f {
  let own = vec4u(column, column + 1u, column + 2u, column + 3u) == vec4u(u32(targets[row]));
  return dy[row] * (exp(v - logSum[row]) - select(vec4f(), vec4f(1.0), own));
}`;

/**
 * Cross entropy of x weightᵀ. Forward stores no logits: each tile of the product leaves its rows' largest and Σ exp. Backward makes the
 * logits' gradient again for some words of the vocabulary at a time, which finishes those words' rows of dWeight, and adds to dx.
 */
export function linearCrossEntropyKernels(gpu: Gpu): KernelTable {
  return {
    linearCrossEntropy: ([x, weight, targets]) => {
      const [rows, width] = x!.shape;
      const words = weight!.shape[0];
      const [bx, bw] = [x, weight].map(bufferOf);
      const [loss, logSum] = [gpu.take('linearCrossEntropy', rows), gpu.take('linearCrossEntropy', rows)];
      // Rows whose statistics fit one buffer.
      const most = whole(Math.floor(room(gpu) / statisticsBytes(gpu, words)));
      for (let row = 0; row < rows; row += most) {
        const m = Math.min(most, rows - row);
        const size = { m, n: words, k: width, batch: 1, transposeA: false, transposeB: true };
        const { stats, tiles } = rowStatistics(gpu, bx, bw, size, row * width);
        gpu.run(
          { name: 'linearCrossEntropy', source: mergeSource, constants: {} },
          [loss, logSum, stats, bx, bw, bufferOf(targets)],
          [m, width, words, tiles, row],
          gridOf(m, 32),
        );
        gpu.give(stats);
      }
      return [loss, logSum];
    },

    linearCrossEntropyBackward: ([x, weight, targets, logSum, dy]) => {
      const [rows, width] = x!.shape;
      const words = weight!.shape[0];
      const [bx, bw] = [x, weight].map(bufferOf);
      const step = Math.min(words, whole(Math.floor(room(gpu) / 4 / rows)));
      const epilogue = {
        name: ' softmaxGradient',
        text: gradientOfLogits,
        buffers: [targets, logSum, dy].map(bufferOf),
      };
      const plainly = { batch: 1, transposeA: false, transposeB: false };
      // Softmax less one-hot is at most 1.
      const bound = { buffer: bufferOf(dy), start: 0, count: rows };
      const dWeight = gpu.take('linearCrossEntropy', words * width);
      let dx: ReturnType<typeof product> | undefined;
      for (let word = 0; word < words; word += step) {
        const n = Math.min(step, words - word);
        const start = [0, word * width] as const;
        const logits = { m: rows, n, k: width, ...plainly, transposeB: true };
        const d = product(gpu, bx, bw, logits, { start, column0: word, epilogue });
        dx = product(gpu, d, bw, { m: rows, n: width, k: n, ...plainly }, { start, into: dx, bound });
        const part = product(gpu, d, bx, { m: n, n: width, k: rows, ...plainly, transposeA: true }, { bound });
        window(gpu, dWeight, part, {
          outShape: [words, width],
          inShape: [n, width],
          axis: 0,
          shift: word,
          place: true,
        });
        gpu.give(d, part);
      }
      return [dx!, dWeight];
    },
  };
}
