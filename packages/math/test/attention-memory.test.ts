import { afterEach, describe, expect, it, vi } from 'vitest';
import * as attention from '../src/attention/index.ts';
import { float64Backend } from '../src/float64/index.ts';
import { type Backend, type Kernel, linearAttention, type Tensor, tensor, vjp } from '../src/index.ts';
import { type Case, composingBackend, inputsOf, upload } from './attention-support.ts';

afterEach(() => {
  vi.unstubAllGlobals();
});

/** Numbers in the Float64Arrays that `body` makes (views of others are not counted). */
function allocated(body: () => void): number {
  let numbers = 0;
  const counted = new Proxy(Float64Array, {
    construct(target, given: [number]) {
      const made = new target(...given);
      if (!((given[0] as unknown) instanceof ArrayBuffer)) numbers += made.length;
      return made;
    },
  });
  vi.stubGlobal('Float64Array', counted);
  try {
    body();
  } finally {
    vi.unstubAllGlobals();
  }
  return numbers;
}

const size = (...arrays: readonly { readonly data: Float64Array }[]) =>
  arrays.reduce((total, { data }) => total + data.length, 0);

describe('memory of the factorised form', () => {
  /** What forward and backward make beyond the numbers they return. */
  const transient = (test: Case) => {
    const { q, k, v, options, gradients } = inputsOf(test);
    let result = attention.factorised(q, k, v, options);
    const forward = allocated(() => {
      result = attention.factorised(q, k, v, options);
    });
    let found = attention.factorisedBackward(q, k, v, result, gradients, options);
    const backward = allocated(() => {
      found = attention.factorisedBackward(q, k, v, result, gradients, options);
    });
    return {
      forward: forward - size(result.output, result.denominator, result.state),
      backward: backward - size(found.dq, found.dk, found.dv),
      state: result.state.data.length,
    };
  };

  it('is a state and a few rows, whatever the number of tokens', () => {
    for (const mask of ['causal', 'bidirectional', 'prefix'] as const) {
      for (const c of [0, 0.5]) {
        const of = (queries: number, headDim: number) =>
          transient({ mask, prefix: mask === 'prefix' ? 20 : undefined, queries, headDim, c, normalize: 'l2' });
        for (const headDim of [4, 12]) {
          const [short, long] = [of(32, headDim), of(300, headDim)];
          expect(long).toEqual(short);
          const rows = 1 + headDim + (c === 0 ? 0 : headDim ** 2);
          expect(short.forward).toBe(2 * rows + (headDim + 1));
          // One more state, and rows.
          expect(short.backward).toBeLessThanOrEqual(2 * short.state + 4 * rows + 2 * (headDim + 1) + 3);
        }
      }
    }
  });

  it('decoding keeps one state of fixed size', () => {
    const { q, k, v } = inputsOf({ mask: 'causal', queries: 1, headDim: 8 });
    const state = attention.emptyState({ batch: 1, heads: 2, headDim: 8 });
    const step = () => allocated(() => attention.step(state, q, k, v));
    const first = step();
    for (let t = 0; t < 100; t++) expect(step()).toBe(first);
    expect(state.data.length).toBe(2 * (8 * 8 + 2 * 8 + 1));
  });
});

describe('memory of the operation', () => {
  it('saves exactly 4 N D + N numbers a head for backward, and the three coefficients', () => {
    for (const backend of [float64Backend(), composingBackend()]) {
      for (const queries of [1, 65, 130]) {
        for (const headDim of [1, 16]) {
          for (const c of [0, 0.5]) {
            for (const normalize of ['none', 'l2'] as const) {
              const { q, k, v } = inputsOf({ mask: 'causal', batch: 2, heads: 2, queries, headDim });
              const tensors = [q, k, v].map((x) => upload(backend, x));
              const coefficients = tensor(backend, [1, 1, c]);
              const { savedElements, dispose } = vjp(
                () => [
                  linearAttention(tensors[0], tensors[1], tensors[2], {
                    coefficients,
                    order: c === 0 ? 1 : 2,
                    normalize,
                  }).output,
                ],
                tensors,
              );
              expect(savedElements([coefficients])).toBe(2 * 2 * (4 * queries * headDim + queries));
              expect(savedElements()).toBe(savedElements([coefficients]) + 3);
              dispose();
            }
          }
        }
      }
    }
  });

  /** Most bytes that live at once, beyond those alive at the start, while attention runs forward and backward. */
  const peak = (backend: Backend, test: Case) => {
    const { q, k, v, options, gradients } = inputsOf(test);
    const tensors = [q, k, v].map((x) => upload(backend, x));
    const dO = upload(backend, gradients.output);
    const before = backend.memory().bytes;
    let most = before;
    const watched = Object.fromEntries(
      Object.entries<Kernel<never>>(backend.kernels).map(([name, kernel]) => [
        name,
        ((...call) => {
          const handles = kernel(...call);
          most = Math.max(most, backend.memory().bytes);
          return handles;
        }) satisfies Kernel<never>,
      ]),
    );
    const held = backend as { kernels: Backend['kernels'] };
    const own = held.kernels;
    held.kernels = watched;
    const { outputs, pullback } = vjp(
      () => [linearAttention(tensors[0], tensors[1], tensors[2], { c: options.c, mask: test.mask }).output],
      tensors,
    );
    const gradient = pullback([dO]);
    held.kernels = own;
    const left = backend.memory().bytes - before;
    const numbers = (list: readonly Tensor[]) => 8 * list.reduce((total, x) => total + x.size, 0);
    expect(left).toBe(numbers([...outputs, ...gradient]));
    return most - before;
  };

  it('composed with c, it grows with N D, not with N D²', () => {
    const [headDim, heads] = [16, 1];
    for (const mask of ['causal', 'bidirectional'] as const) {
      const of = (queries: number) => peak(composingBackend(), { mask, queries, headDim, heads, c: 0.5 });
      const growth = (of(1024) - of(512)) / 8 / 512;
      expect(growth).toBeGreaterThan(4 * headDim);
      expect(growth, mask).toBeLessThan(16 * headDim);
    }
  });
});
