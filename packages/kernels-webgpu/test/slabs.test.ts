import {
  add,
  type LinearAttentionOptions,
  linearAttention,
  type MaskOptions,
  random,
  scope,
  sum,
  type Tensor,
  valueAndGrad,
} from '@linattn/math';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { tuning } from '../src/attention/run.ts';
import { open } from './adapter.ts';

// Runs cut into slabs of one chunk against uncut ones: other tests have too few tokens to be cut.

const backend = await open();
if (typeof backend === 'string') console.warn(`WebGPU's slabs in Node are not tested: ${backend}`);

describe.skipIf(typeof backend === 'string')('long runs are cut into slabs', () => {
  if (typeof backend === 'string') return;
  afterAll(() => backend.dispose());
  const standard = { ...tuning };
  afterEach(() => {
    Object.assign(tuning, standard);
  });

  const draw = (key: number, ...shape: number[]): Tensor =>
    random(backend, { shape, distribution: 'normal', key: [key, 1], stream: [0, 0] });

  const run = async (slabBytes: number, mask: MaskOptions, rest: LinearAttentionOptions = {}) => {
    tuning.slabBytes = slabBytes;
    const inputs = [draw(1, 2, 75, 2, 5), draw(2, 2, 75, 2, 5), draw(3, 2, 75, 2, 3)];
    // What earlier tokens left.
    const state = scope(() => {
      const earlier = linearAttention(inputs[1], inputs[0], inputs[2], { normalize: 'l2', returnState: true, ...rest });
      return earlier.state!;
    });
    const { value, gradients } = valueAndGrad(() => {
      const [q, k, v] = inputs;
      const options = { ...mask, normalize: 'l2', returnState: true, initialState: state, ...rest } as const;
      const { output, state: left } = linearAttention(q, k, v, options);
      return add(sum(output, [0, 1, 2, 3]), sum(left!, [0, 1, 2, 3]));
    }, [...inputs, state]);
    const found = await Promise.all([value, ...gradients].map((tensor) => tensor.read()));
    for (const tensor of [...inputs, state, value, ...gradients]) tensor.dispose();
    return found;
  };

  const compare = (cut: readonly ArrayLike<number>[], whole: readonly ArrayLike<number>[]) =>
    whole.forEach((expected, i) => {
      const norm = Math.hypot(...Array.from(expected));
      const error = Math.hypot(...Array.from(cut[i], (x, j) => x - expected[j]));
      expect(norm).toBeGreaterThan(0);
      expect(error / norm).toBeLessThan(1e-5);
    });

  test.each<[string, MaskOptions]>([
    ['causal', { mask: 'causal' }],
    ['prefix', { mask: 'prefix', prefix: 21 }],
  ])('%s: with the same results', async (_, mask) => {
    const whole = await run(standard.slabBytes, mask);
    compare(await run(1, mask), whole);
  });

  // The states of all five features are made at once, of two and two and one, or of one after the other.
  test.each<[string, MaskOptions]>([
    ['causal', { mask: 'causal' }],
    ['prefix', { mask: 'prefix', prefix: 21 }],
    ['bidirectional', { mask: 'bidirectional' }],
  ])('of second order, %s: with the same results', async (_, mask) => {
    const keyWeights = draw(4, 2, 75, 2);
    const rest = { c: 0.7, keyWeights };
    const whole = await run(standard.slabBytes, mask, rest);
    for (const parts of [2, 1]) {
      tuning.parts = parts;
      compare(await run(standard.slabBytes, mask, rest), whole);
    }
    compare(await run(1, mask, rest), whole);
    keyWeights.dispose();
  });
});
