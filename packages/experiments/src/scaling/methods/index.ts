import { linearAttention, type Tensor } from '@linattn/math';
import { softmaxAttention } from '@linattn/math/network';
import { fullSoftmaxAttention } from './full-softmax.ts';
import { separatedAttention } from './separation.ts';

/** One layer's attention, causal: q, k, v [B, N, H, D] to o [B, N, H, D]. */
export interface Method {
  readonly name: string;
  attend(q: Tensor, k: Tensor, v: Tensor): Tensor;
  /** Multiplications, up to a factor: what a larger run's time is foreseen by. */
  work(tokens: number, headDim: number): number;
  /** Exponents of N and D in the cost of large sizes. */
  readonly expected: {
    readonly N: { readonly time: number; readonly memory: number };
    readonly D: { readonly time: number; readonly memory: number };
  };
}

export const methods: readonly Method[] = [
  {
    name: 'linattn',
    attend: (q, k, v) => linearAttention(q, k, v, { normalize: 'l2' }).output,
    work: (tokens, headDim) => tokens * headDim ** 2,
    expected: { N: { time: 1, memory: 1 }, D: { time: 2, memory: 1 } },
  },
  {
    name: 'kernel separation, autodiff',
    attend: separatedAttention,
    work: (tokens, headDim) => tokens * headDim ** 2,
    expected: { N: { time: 1, memory: 1 }, D: { time: 2, memory: 2 } },
  },
  {
    name: 'softmax, tiled',
    attend: (q, k, v) => softmaxAttention(q, k, v),
    work: (tokens, headDim) => tokens ** 2 * headDim,
    expected: { N: { time: 2, memory: 1 }, D: { time: 1, memory: 1 } },
  },
  {
    name: 'softmax, full',
    attend: fullSoftmaxAttention,
    work: (tokens, headDim) => tokens ** 2 * headDim,
    expected: { N: { time: 2, memory: 2 }, D: { time: 1, memory: 0 } },
  },
];
