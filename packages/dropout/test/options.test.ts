import { type PhiloxKey, ValueError } from '@linattn/math';
import { float64Backend } from '@linattn/math/float64';
import { describe, expect, it } from 'vitest';
import {
  type DropoutMode,
  type DropoutOptions,
  dropKeys,
  dropoutModes,
  noisyAttention,
  scaleNoise,
} from '../src/index.ts';
import { heads, normal } from './support.ts';

const backend = float64Backend();

function errorOf(run: () => unknown): ValueError {
  try {
    run();
  } catch (error) {
    if (error instanceof ValueError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('options', () => {
  const bad: [string, Partial<DropoutOptions>][] = [
    ['rate', { rate: -0.1 }],
    ['rate', { rate: 1 }],
    ['rate', { rate: Number.NaN }],
    ['mode', { mode: 'gaussian' as DropoutMode }],
    ['seed', { seed: -1 }],
    ['seed', { seed: 0.5 }],
    ['seed', { seed: 2 ** 53 }],
    ['seed', { seed: undefined }],
    ['seed[1]', { seed: [1, 2 ** 32] }],
    ['layer', { layer: -1 }],
    ['layer', { layer: 2 ** 32 }],
    ['step', { step: 1.5 }],
  ];

  it.each(bad)('names %s when given %o, also in evaluation, before any work', (argument, wrong) => {
    const [q, k, v] = heads(backend, [1, 2, 2, 1, 2, 2]);
    const before = backend.memory().buffers;
    for (const training of [true, false]) {
      const options = { rate: 0.1, seed: 1, training, ...wrong } as DropoutOptions;
      expect(errorOf(() => noisyAttention(q, k, v, {}, options))).toMatchObject({ code: 'VALUE', argument });
    }
    expect(backend.memory().buffers).toBe(before);
  });

  it('does not scale by noise in modes that need more than the output', () => {
    const o = normal(backend, [2], 1);
    const options = { rate: 0.1, seed: 1, mode: 'keys' as 'paper' };
    expect(errorOf(() => scaleNoise(o, options)).argument).toBe('mode');
  });
});

describe('streams', () => {
  const x = normal(backend, [64], 5);
  const noisy = (options: Partial<DropoutOptions>) =>
    scaleNoise(x, { rate: 0.2, seed: 1, ...options, mode: 'unbiased' }).read();

  it('draw the same for the same seed, layer and step, and otherwise other numbers', async () => {
    const base = await noisy({});
    expect(await noisy({ layer: 0, step: 0 })).toEqual(base);
    expect(await noisy({ seed: [1, 0] as PhiloxKey })).toEqual(base);
    const others = [{ seed: 2 }, { seed: 2 ** 32 + 1 }, { layer: 1 }, { step: 1 }, { layer: 1, step: 1 }];
    for (const other of others) expect(await noisy(other)).not.toEqual(base);
    expect(await noisy({ layer: 1 })).not.toEqual(await noisy({ step: 1 }));
    expect(await noisy({ seed: 2 ** 32 + 1 })).toEqual(await noisy({ seed: [1, 1] }));
  });
});

describe('the identity', () => {
  const [q, k, v] = heads(backend, [1, 5, 5, 2, 3, 3]);
  const off: Partial<DropoutOptions>[] = [{ rate: 0 }, { rate: 0.4, training: false }];

  it.each(off)('has the same bits in every mode with %o', async (options) => {
    const attention = { normalize: 'l2', returnState: true } as const;
    const plain = noisyAttention(q, k, v, attention);
    for (const mode of dropoutModes) {
      const result = noisyAttention(q, k, v, attention, { rate: 0.1, seed: 1, ...options, mode });
      for (const part of ['output', 'denominator', 'state'] as const) {
        expect(await result[part]!.read()).toEqual(await plain[part]!.read());
      }
    }
  });

  it.each(off)('runs no operation with %o', (options) => {
    const before = backend.memory().buffers;
    const o = normal(backend, [3], 1);
    expect(scaleNoise(o, { rate: 0.1, seed: 1, ...options, mode: 'paper' })).toBe(o);
    expect(dropKeys(k, { rate: 0.1, seed: 1, ...options })).toBeUndefined();
    o.dispose();
    expect(backend.memory().buffers).toBe(before);
  });
});
