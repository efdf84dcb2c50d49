import { indices, random, type Tensor } from '@linattn/math';
import { float64Backend } from '@linattn/math/float64';
import { softmaxAttention } from '@linattn/math/network';
import { expect, test } from 'vitest';
import { softmaxWithDropout } from '../src/layers/attention-dropout.ts';
import { relativeError, tinyModel } from './helpers.ts';

const backend = float64Backend();
const draw = (stream: number): Tensor =>
  random(backend, { shape: [1, 6, 2, 4], distribution: 'normal', key: [3, 0], stream: [stream, 0] });
const [q, k, v] = [0, 1, 2].map(draw);
const dropout = { rate: 0.25, seed: [5, 0] as const, layer: 1, step: 0 };

test.each([{ mask: 'causal' }, { mask: 'bidirectional' }, { mask: 'prefix', prefix: 3 }] as const)(
  'real dropout, $mask: the mean over masks is attention, nothing dropped is attention itself',
  async (mask) => {
    const options = { ...mask, scale: 0.5 };
    const truth = await softmaxAttention(q, k, v, options).read();
    expect(
      relativeError(await softmaxWithDropout(q, k, v, options, { ...dropout, rate: 0 }).read(), truth),
    ).toBeLessThan(1e-12);
    const draws = 1500;
    const mean = new Float64Array(truth.length);
    for (let step = 0; step < draws; step++) {
      const output = await softmaxWithDropout(q, k, v, options, { ...dropout, step }).read();
      for (let i = 0; i < mean.length; i++) mean[i] += output[i] / draws;
    }
    // One draw is off by about √(p / (1 - p)) = 0.58; so many by 0.015.
    expect(relativeError(mean, truth)).toBeGreaterThan(0);
    expect(relativeError(mean, truth)).toBeLessThan(0.05);
  },
);

test('a weight is dropped by itself: the first token sees itself, or nothing', async () => {
  const options = { mask: 'causal', scale: 0.5 } as const;
  const truth = await v.read();
  const seen = new Set<number>();
  for (let step = 0; step < 40; step++) {
    const output = await softmaxWithDropout(q, k, v, options, { ...dropout, step }).read();
    seen.add(Number((output[0] / truth[0]).toFixed(6)));
  }
  expect([...seen].sort()).toEqual([0, Number((1 / 0.75).toFixed(6))]);
});

test('a model draws it in training only, and linear attention refuses it', async () => {
  const model = tinyModel({ attention: { type: 'softmax' }, dropout: { mode: 'weights', rate: 0.5 } });
  const tokens = indices(model.backend, [1, 2, 3], [1, 3]);
  const run = (context: object) => model.logits(tokens, context).read();
  expect(await run({})).toEqual(await run({ training: true, progress: 1 }));
  const noisy = await run({ training: true, progress: 0, step: 1 });
  expect(noisy).not.toEqual(await run({}));
  expect(noisy).toEqual(await run({ training: true, progress: 0, step: 1 }));
  expect(() => tinyModel({ dropout: { mode: 'weights', rate: 0.5 } })).toThrow(
    expect.objectContaining({ argument: 'dropout.mode' }),
  );
});
