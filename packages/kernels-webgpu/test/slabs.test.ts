import { add, linearAttention, type MaskOptions, random, scope, sum, type Tensor, valueAndGrad } from '@linattn/math';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { tuning } from '../src/attention/run.ts';
import { open } from './adapter.ts';

// Runs cut into slabs of one chunk against uncut ones: other tests have too few tokens to be cut.

const backend = await open();
if (typeof backend === 'string') console.warn(`WebGPU's slabs in Node are not tested: ${backend}`);

describe.skipIf(typeof backend === 'string')('long runs are cut into slabs', () => {
  if (typeof backend === 'string') return;
  afterAll(() => backend.dispose());
  const standard = tuning.slabBytes;
  afterEach(() => {
    tuning.slabBytes = standard;
  });

  const draw = (key: number, ...shape: number[]): Tensor =>
    random(backend, { shape, distribution: 'normal', key: [key, 1], stream: [0, 0] });

  const run = async (slabBytes: number, mask: MaskOptions) => {
    tuning.slabBytes = slabBytes;
    const inputs = [draw(1, 2, 75, 2, 5), draw(2, 2, 75, 2, 5), draw(3, 2, 75, 2, 3)];
    // What earlier tokens left.
    const state = scope(() => {
      const earlier = linearAttention(inputs[1], inputs[0], inputs[2], { normalize: 'l2', returnState: true });
      return earlier.state!;
    });
    const { value, gradients } = valueAndGrad(() => {
      const [q, k, v] = inputs;
      const options = { ...mask, normalize: 'l2', returnState: true, initialState: state } as const;
      const { output, state: left } = linearAttention(q, k, v, options);
      return add(sum(output, [0, 1, 2, 3]), sum(left!, [0, 1, 2, 3]));
    }, [...inputs, state]);
    const found = await Promise.all([value, ...gradients].map((tensor) => tensor.read()));
    for (const tensor of [...inputs, state, value, ...gradients]) tensor.dispose();
    return found;
  };

  test.each<[string, MaskOptions]>([
    ['causal', { mask: 'causal' }],
    ['prefix', { mask: 'prefix', prefix: 21 }],
  ])('%s: with the same results', async (_, mask) => {
    const whole = await run(standard, mask);
    const cut = await run(1, mask);
    whole.forEach((expected, i) => {
      const norm = Math.hypot(...expected);
      const error = Math.hypot(...cut[i].map((x, j) => x - expected[j]));
      expect(norm).toBeGreaterThan(0);
      expect(error / norm).toBeLessThan(1e-5);
    });
  });
});
