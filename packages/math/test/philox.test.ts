import { describe, expect, it } from 'vitest';
import { float64Backend } from '../src/float64/index.ts';
import { bernoulli, type PhiloxKey, philox4x32, philoxFill, random, ValueError } from '../src/index.ts';

const hex = (words: Iterable<number>) => [...words].map((word) => word.toString(16).padStart(8, '0')).join(' ');

describe('Philox4x32-10', () => {
  // Known-answer vectors of the Random123 distribution (kat_vectors).
  it.each([
    [[0, 0, 0, 0], [0, 0], '6627e8d5 e169c58d bc57ac4c 9b00dbd8'],
    [Array(4).fill(0xffffffff), Array(2).fill(0xffffffff), '408f276d 41c83b0e a20bc7c6 6d5451fd'],
    [[0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0], 'd16cfe09 94fdcceb 5001e420 24126ea1'],
  ] as [number[], [number, number], string][])('counter %j, key %j', ([c0, c1, c2, c3], key, expected) => {
    const out = new Uint32Array(4);
    philox4x32(key, c0, c1, c2, c3, out);
    expect(hex(out)).toBe(expected);
  });

  it('lays elements out as documented: word i mod 4 of block i div 4', () => {
    const [key, stream] = [[5, 6] as const, [7, 8] as const];
    const block = new Uint32Array(4);
    philox4x32(key, 2, 0, stream[0], stream[1], block);
    const uniform = philoxFill(new Float64Array(12), 'uniform', key, stream);
    const u = [...block].map((word) => ((word >>> 9) + 0.5) / 2 ** 23);
    expect([...uniform.subarray(8)]).toEqual(u);
    const normal = philoxFill(new Float64Array(12), 'normal', key, stream);
    const polar = (x: number, y: number) => [
      Math.sqrt(-2 * Math.log(x)) * Math.cos(2 * Math.PI * y),
      Math.sqrt(-2 * Math.log(x)) * Math.sin(2 * Math.PI * y),
    ];
    expect([...normal.subarray(8)]).toEqual([...polar(u[0], u[1]), ...polar(u[2], u[3])]);
  });
});

const draw = (distribution: 'normal' | 'uniform', size: number, key: PhiloxKey = [1, 2], stream: PhiloxKey = [0, 0]) =>
  philoxFill(new Float64Array(size), distribution, key, stream);
const mean = (x: Float64Array, f: (value: number) => number = (value) => value) =>
  x.reduce((total, value) => total + f(value), 0) / x.length;

describe('draws', () => {
  const size = 100_000;
  // Each bound is four standard errors of the statistic: a draw from the right distribution passes with probability 0.9999.
  const bound = (variance: number) => 4 * Math.sqrt(variance / size);

  it('uniform: moments', () => {
    const x = draw('uniform', size);
    expect(Math.abs(mean(x) - 1 / 2)).toBeLessThan(bound(1 / 12));
    expect(Math.abs(mean(x, (u) => (u - 0.5) ** 2) - 1 / 12)).toBeLessThan(bound(1 / 80 - 1 / 144));
  });

  it('normal: moments up to the fourth', () => {
    const x = draw('normal', size);
    expect(Math.abs(mean(x))).toBeLessThan(bound(1));
    expect(Math.abs(mean(x, (z) => z ** 2) - 1)).toBeLessThan(bound(2));
    expect(Math.abs(mean(x, (z) => z ** 3))).toBeLessThan(bound(15));
    expect(Math.abs(mean(x, (z) => z ** 4) - 3)).toBeLessThan(bound(96));
  });

  /** Kolmogorov-Smirnov: the largest distance between the empirical and the true distribution function. */
  const distance = (x: Float64Array, cdf: (value: number) => number) =>
    x.toSorted().reduce((largest, value, i) => {
      const p = cdf(value);
      return Math.max(largest, p - i / x.length, (i + 1) / x.length - p);
    }, 0);
  const normalCdf = (z: number) => {
    // Abramowitz & Stegun 26.2.17, off by less than 7.5e-8.
    const t = 1 / (1 + 0.2316419 * Math.abs(z));
    const poly = t * (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))));
    const tail = (Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI)) * poly;
    return z >= 0 ? 1 - tail : tail;
  };

  it('have the right distribution (Kolmogorov-Smirnov, 1.95/√n is passed with probability 0.999)', () => {
    expect(distance(draw('uniform', size), (u) => u)).toBeLessThan(1.95 / Math.sqrt(size));
    expect(distance(draw('normal', size), normalCdf)).toBeLessThan(1.95 / Math.sqrt(size));
  });

  it('are a pure function of key, stream and element: a longer draw begins with the shorter one', () => {
    for (const distribution of ['normal', 'uniform'] as const) {
      const long = draw(distribution, 1000);
      for (const length of [1, 2, 3, 4, 5, 63, 999]) {
        expect(draw(distribution, length)).toEqual(long.subarray(0, length));
      }
    }
  });

  it('of different keys and streams are uncorrelated', () => {
    const x = draw('normal', size);
    const others: [PhiloxKey, PhiloxKey][] = [
      [
        [2, 2],
        [0, 0],
      ],
      [
        [1, 3],
        [0, 0],
      ],
      [
        [1, 2],
        [1, 0],
      ],
      [
        [1, 2],
        [0, 1],
      ],
    ];
    for (const [key, stream] of others) {
      const y = draw('normal', size, key, stream);
      const correlation = mean(x.map((value, i) => value * y[i]));
      expect(Math.abs(correlation)).toBeLessThan(4 / Math.sqrt(size));
    }
  });

  it('of neighbouring elements are uncorrelated', () => {
    const x = draw('normal', size);
    for (const lag of [1, 2, 3, 4, 5]) {
      const product = mean(x.subarray(lag).map((value, i) => value * x[i]));
      expect(Math.abs(product)).toBeLessThan(4 / Math.sqrt(size - lag));
    }
  });

  it('lie strictly inside (0, 1), on float32 numbers', () => {
    const x = draw('uniform', size);
    expect(x.every((u) => u > 0 && u < 1 && Math.fround(u) === u)).toBe(true);
    expect(draw('normal', size).every(Number.isFinite)).toBe(true);
  });
});

describe('bernoulli', () => {
  const backend = float64Backend();
  const attributes = { shape: [100, 100], key: [3, 4], stream: [5, 6] } as const;

  it('is 1 exactly where the uniform draw is below the probability', async () => {
    const u = await random(backend, { ...attributes, distribution: 'uniform' }).read();
    for (const probability of [0.1, 0.5, 0.9]) {
      const drawn = await bernoulli(backend, { ...attributes, probability }).read();
      expect([...drawn]).toEqual([...u].map((x) => (x < Math.round(probability * 2 ** 23) / 2 ** 23 ? 1 : 0)));
      const deviation = Math.sqrt((probability * (1 - probability)) / drawn.length);
      expect(Math.abs(mean(Float64Array.from(drawn)) - probability)).toBeLessThan(4 * deviation);
    }
  });

  it('is constant at 0 and 1', async () => {
    expect(new Set(await bernoulli(backend, { ...attributes, probability: 0 }).read())).toEqual(new Set([0]));
    expect(new Set(await bernoulli(backend, { ...attributes, probability: 1 }).read())).toEqual(new Set([1]));
  });

  it.each([-0.1, 1.1, Number.NaN])('refuses probability %d', (probability) => {
    expect(() => bernoulli(backend, { ...attributes, probability })).toThrow(ValueError);
  });
});
