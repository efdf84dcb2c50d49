import {
  add,
  concat,
  LimitError,
  type LinearAttentionOptions,
  linearAttention,
  mul,
  random,
  scope,
  slice,
  sum,
  type Tensor,
  tensor,
  valueAndGrad,
} from '@linattn/math';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { bindingTuning } from '../src/runtime/gpu.ts';
import { open } from './adapter.ts';

// A batch whose tensors are over a binding is worked on a few sequences at a time: against all at once. The limit is a smaller one here.

const backend = await open();
if (typeof backend === 'string') console.warn(`WebGPU's windows in Node are not tested: ${backend}`);

describe.skipIf(typeof backend === 'string')('tensors over a binding', () => {
  if (typeof backend === 'string') return;
  afterAll(() => backend.dispose());
  afterEach(() => {
    bindingTuning.bytes = Number.POSITIVE_INFINITY;
  });

  const draw = (key: number, ...shape: number[]): Tensor =>
    random(backend, { shape, distribution: 'normal', key: [key, 1], stream: [0, 0] });

  const [batch, tokens, heads] = [5, 32, 8];
  /** Bytes of a sequence's queries. */
  const sequence = 4 * tokens * heads * 5;

  /** A value, its gradients by q, k, v, the initial state and a, b, c, and the launches' windows. */
  const run = async (bytes: number, options: LinearAttentionOptions) => {
    bindingTuning.bytes = bytes;
    const inputs = [
      draw(1, batch, tokens, heads, 5),
      draw(2, batch, tokens, heads, 5),
      draw(3, batch, tokens, heads, 3),
    ];
    const weights = draw(4, batch, tokens, heads, 3);
    const coefficients = tensor(backend, [1.2, 0.7, 0.4]);
    const state = scope(() => {
      const [q, k, v] = inputs;
      return linearAttention(k, q, v, { ...options, coefficients, returnState: true }).state!;
    });
    const { value, gradients } = valueAndGrad(() => {
      const [q, k, v] = inputs;
      const given = { ...options, coefficients, initialState: state, returnState: true } as const;
      const { output, state: left } = linearAttention(q, k, v, given);
      return add(sum(mul(output, weights), [0, 1, 2, 3]), sum(left!, [0, 1, 2, 3]));
    }, [...inputs, state, coefficients]);
    const found = await Promise.all([value, ...gradients].map((each) => each.read()));
    for (const each of [...inputs, weights, coefficients, state, value, ...gradients]) each.dispose();
    return found;
  };

  test.each<[string, LinearAttentionOptions]>([
    ['causal', { normalize: 'l2' }],
    ['causal, not normalised', {}],
    ['prefix', { mask: 'prefix', prefix: 21, normalize: 'l2' }],
    ['bidirectional', { mask: 'bidirectional', normalize: 'l2' }],
    ['of second order', { order: 2, normalize: 'l2' }],
  ])('%s: with the same results', async (_, options) => {
    const whole = await run(Number.POSITIVE_INFINITY, options);
    const cut = await run(2 * sequence + 100, options);
    expect(cut.slice(1, -1)).toEqual(whole.slice(1, -1));
    // Sums over all sequences: in another order.
    for (const i of [0, whole.length - 1]) {
      const error = Math.hypot(...whole[i].map((expected, j) => cut[i][j] - expected));
      expect(error).toBeLessThan(1e-5 * Math.hypot(...whole[i]));
    }
  });

  test('a sequence that is over it alone is refused by name', async () => {
    await expect(run(sequence - 4, {})).rejects.toThrow(LimitError);
    await expect(run(sequence - 4, {})).rejects.toThrow(/linearAttention: 5120 .* maxStorageBufferBindingSize/);
  });

  test('parts along the first axis are read and written by views', async () => {
    const parts = [draw(1, 2, 64), draw(2, 1, 64), draw(3, 3, 64)];
    const joined = concat(parts, 0);
    const expected = await Promise.all(parts.map((part) => part.read()));
    expect([...(await joined.read())]).toEqual(expected.flatMap((values) => [...values]));
    const rows = slice(joined, 0, 2, 5);
    expect([...(await rows.read())]).toEqual([...expected[1], ...expected[2].slice(0, 128)]);
    for (const each of [...parts, joined, rows]) each.dispose();
  });
});
