import { tensor } from '@linattn/math';
import { float64Backend } from '@linattn/math/float64';
import { describe, expect, test } from 'vitest';
import { AdamW, clipScale, globalNorm, warmupCosine } from '../src/index.ts';
import { relativeError } from './helpers.ts';

describe('AdamW', () => {
  test('follows the algorithm as published, with decay on matrices only', async () => {
    const backend = float64Backend();
    const start = { matrix: [0.5, -1, 2, 0.1, 3, -0.7], bias: [1, -2, 0.3] };
    const parameters = new Map([
      ['matrix', tensor(backend, start.matrix, [2, 3])],
      ['bias', tensor(backend, start.bias, [3])],
    ]);
    const options = { beta1: 0.8, beta2: 0.9, epsilon: 1e-6, weightDecay: 0.25 };
    const optimizer = new AdamW(parameters, options);
    const expected = Object.fromEntries(
      Object.entries(start).map(([name, p]) => [name, { p: [...p], m: p.map(() => 0), v: p.map(() => 0) }]),
    );
    for (let t = 1; t <= 5; t++) {
      const gradient = (name: string, i: number) => Math.sin(t * 2 + i) * (name === 'bias' ? 3 : 1);
      const [scale, learningRate] = [0.7 + 0.1 * t, 0.1 / t];
      const gradients = [...parameters].map(([name, { shape, size }]) =>
        tensor(
          backend,
          Float64Array.from({ length: size }, (_, i) => gradient(name, i)),
          shape,
        ),
      );
      optimizer.step(gradients, learningRate, tensor(backend, scale));
      // Algorithm 2 of Loshchilov & Hutter (2019), one number at a time.
      for (const [name, { p, m, v }] of Object.entries(expected)) {
        for (let i = 0; i < p.length; i++) {
          const g = scale * gradient(name, i);
          m[i] = 0.8 * m[i] + 0.2 * g;
          v[i] = 0.9 * v[i] + 0.1 * g * g;
          const mHat = m[i] / (1 - 0.8 ** t);
          const vHat = v[i] / (1 - 0.9 ** t);
          const decay = name === 'matrix' ? learningRate * 0.25 * p[i] : 0;
          p[i] = p[i] - decay - (learningRate * mHat) / (Math.sqrt(vHat) + 1e-6);
        }
      }
    }
    for (const [name, { p, m, v }] of Object.entries(expected)) {
      expect(relativeError(await parameters.get(name)!.read(), p)).toBeLessThan(1e-12);
      const [moment1, moment2] = optimizer.moments.get(name)!;
      expect(relativeError(await moment1.read(), m)).toBeLessThan(1e-12);
      expect(relativeError(await moment2.read(), v)).toBeLessThan(1e-12);
    }
  });

  test.each([
    [{ beta1: 1 }, 'beta1'],
    [{ beta2: -0.1 }, 'beta2'],
    [{ epsilon: 0 }, 'epsilon'],
    [{ weightDecay: Number.NaN }, 'weightDecay'],
  ])('%j is refused by name', (options, argument) => {
    expect(() => new AdamW(new Map(), options)).toThrow(expect.objectContaining({ code: 'VALUE', argument }));
  });
});

describe('clipping', () => {
  test('goes by the length of all gradients together', async () => {
    const backend = float64Backend();
    const gradients = [tensor(backend, [3, 0], [1, 2]), tensor(backend, [0, 4, 12])];
    const norm = globalNorm(gradients);
    expect(await norm.item()).toBeCloseTo(13, 12);
    expect(await clipScale(norm, 6.5).item()).toBeCloseTo(0.5, 12);
    expect(await clipScale(norm, 100).item()).toBe(1);
  });

  test('leaves gradients of zero as they are', async () => {
    expect(await clipScale(globalNorm([tensor(float64Backend(), [0, 0])]), 1).item()).toBe(1);
  });
});

describe('warm-up and cosine', () => {
  const schedule = warmupCosine({ peak: 2, warmup: 4, steps: 11, floor: 0.5 });

  test('rises by equal steps, falls by half a cosine, and stays', () => {
    expect([0, 1, 2, 3].map(schedule)).toEqual([0.5, 1, 1.5, 2]);
    expect(schedule(4)).toBe(2);
    expect(schedule(7)).toBeCloseTo(1.25, 12);
    expect(schedule(10)).toBe(0.5);
    expect(schedule(500)).toBe(0.5);
  });

  test.each([
    [{ peak: -1, steps: 10 }, 'learningRate'],
    [{ peak: 1, steps: 10, warmup: 11 }, 'warmup'],
    [{ peak: 1, steps: 10, floor: 2 }, 'floor'],
  ])('%j is refused by name', (options, argument) => {
    expect(() => warmupCosine(options)).toThrow(expect.objectContaining({ code: 'VALUE', argument }));
  });
});
