import type { Tensor } from '@linattn/math';
import { type Backend, matmul } from '@linattn/math';
import { linearCrossEntropy, softmaxAttention, weightedLinearCrossEntropy } from '@linattn/math/network';
import { crossEntropyTuning } from '../src/training/linear-cross-entropy.ts';
import { worstError } from './compare.ts';

type Checks = Readonly<Record<string, (backend: Backend) => Promise<number>>>;

/** Sizes at which kernels take other ways than in the conformance kit; each gives its worst relative error. */
export const checks: Checks = {
  'softmax attention, outputs in two parts': (backend) =>
    worstError(
      backend,
      [
        [1, 40, 2, 200],
        [1, 40, 2, 200],
        [1, 40, 2, 160],
      ],
      (q, k, v) => softmaxAttention(q, k, v, { mask: 'prefix', prefix: 7 }),
    ),
  'softmax attention, several blocks of several heads': (backend) =>
    worstError(
      backend,
      [
        [2, 150, 3, 32],
        [2, 150, 3, 32],
        [2, 150, 3, 20],
      ],
      (q, k, v) => softmaxAttention(q, k, v),
    ),
  'softmax attention, queries and keys of different numbers': (backend) =>
    worstError(
      backend,
      [
        [1, 70, 2, 64],
        [1, 133, 2, 64],
        [1, 133, 2, 64],
      ],
      (q, k, v) => softmaxAttention(q, k, v, { mask: 'bidirectional' }),
    ),
  'linear cross entropy, some words and rows at a time': async (backend) => {
    const { bytes } = crossEntropyTuning;
    crossEntropyTuning.bytes = 1500;
    try {
      const inputs = [[70, 32], [333, 32], { indices: [70], below: 333 }] as const;
      const weighted = (x: Tensor, weight: Tensor, targets: Tensor, weights: Tensor) =>
        weightedLinearCrossEntropy(x, weight, targets, weights);
      return Math.max(
        await worstError(backend, inputs, linearCrossEntropy),
        await worstError(backend, [...inputs, [70]], weighted),
      );
    } finally {
      crossEntropyTuning.bytes = bytes;
    }
  },
};

/** For GPUs, which take their large tile here; the gradients are long sums in splits. Software adapters have one tile, and take long. */
export const largeChecks: Checks = {
  'matrix product, large': (backend) =>
    worstError(
      backend,
      [
        [1530, 36],
        [36, 1400],
      ],
      (a, b) => matmul(a, b),
    ),
  'matrix product, large, B transposed': (backend) =>
    worstError(
      backend,
      [
        [1530, 36],
        [1400, 36],
      ],
      (a, b) => matmul(a, b, false, true),
    ),
  'matrix product, large, A transposed': (backend) =>
    worstError(
      backend,
      [
        [36, 1532],
        [36, 1400],
      ],
      (a, b) => matmul(a, b, true),
    ),
};
