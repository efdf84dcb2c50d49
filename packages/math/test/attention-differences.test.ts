import { describe, expect, it } from 'vitest';
import * as attention from '../src/attention/index.ts';
import { type Case, inputsOf, normal, relativeError } from './attention-support.ts';

/** Derivative of `loss` by each number of `x`, by the five-point central difference: error O(h⁴) + O(1e-16 / h). */
function differences(loss: () => number, x: Float64Array, h = 3e-4): Float64Array {
  return x.map((value, i) => {
    const at = (shift: number) => {
      x[i] = value + shift;
      return loss();
    };
    const slope = (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h);
    x[i] = value;
    return slope;
  });
}

const inner = (x: attention.NdArray, y: attention.NdArray) =>
  x.data.reduce((total, value, i) => total + value * y.data[i], 0);

const cases: readonly Case[] = [
  { mask: 'causal', queries: 5, headDim: 3, state: true },
  { mask: 'causal', queries: 4, headDim: 2, a: 1.5, b: -0.7, c: 0.4, state: true, keyWeights: true },
  { mask: 'bidirectional', queries: 3, keys: 5, headDim: 3, valueDim: 2, normalize: 'l2' },
  { mask: 'prefix', prefix: 3, queries: 5, headDim: 2, c: 0.5, normalize: 'l2', state: true },
];

describe('the analytic gradient and central differences of the definition agree', () => {
  for (const test of cases) {
    it(JSON.stringify(test), () => {
      const { q, k, v, options, gradients } = inputsOf(test, 11);
      const kernel = Float64Array.of(options.a!, options.b!, options.c!);
      const radius = options.normalize && 0.9;
      const loss = () => {
        const [a, b, c] = kernel;
        const result = attention.naive(q, k, v, { ...options, radius, a, b, c });
        return inner(result.output, gradients.output) + inner(result.state, gradients.state);
      };
      const settings = { ...options, radius };
      const saved = attention.factorised(q, k, v, settings);
      const found = attention.factorisedBackward(q, k, v, saved, gradients, settings);
      const check = (name: string, given: ArrayLike<number>, x: Float64Array) =>
        expect(relativeError(given, differences(loss, x)), name).toBeLessThan(1e-9);
      check('dq', found.dq.data, q.data);
      check('dk', found.dk.data, k.data);
      check('dv', found.dv.data, v.data);
      if (options.initialState) check('dS0', found.dInitialState.data, options.initialState.data);
      if (options.order === 2) check('da, db, dc', [found.da, found.db, found.dc], kernel);
      else check('da, db', [found.da, found.db], kernel.subarray(0, 2));
    });
  }
});

describe('what must hold of the gradient', () => {
  it('a da + b db + c dc = 0: scaling the kernel changes no output', () => {
    for (const state of [false, true]) {
      const { q, k, v, options, gradients } = inputsOf({
        mask: 'causal',
        queries: 40,
        headDim: 5,
        a: 2,
        b: -0.5,
        c: 0.3,
        state,
      });
      const saved = attention.factorised(q, k, v, options);
      const { da, db, dc } = attention.factorisedBackward(q, k, v, saved, { output: gradients.output }, options);
      const terms = [2 * da, -0.5 * db, 0.3 * dc];
      expect(Math.abs(terms[0] + terms[1] + terms[2])).toBeLessThan(1e-12 * Math.max(...terms.map(Math.abs)));
    }
  });

  it('a query that sees one key passes nothing to q and k: its output is that value', () => {
    const { q, k, v, options, gradients } = inputsOf({ mask: 'causal', queries: 1, headDim: 4 });
    const saved = attention.factorised(q, k, v, options);
    const found = attention.factorisedBackward(q, k, v, saved, { output: gradients.output }, options);
    expect(relativeError(saved.output.data, v.data)).toBeLessThan(1e-15);
    for (const x of [found.dq, found.dk]) expect(Math.max(...x.data.map(Math.abs))).toBeLessThan(1e-15);
    expect(relativeError(found.dv.data, gradients.output.data)).toBeLessThan(1e-15);
  });

  it('a key of weight 0 is not there, in any output or gradient', () => {
    const { q, k, v, options, gradients } = inputsOf({
      mask: 'bidirectional',
      queries: 6,
      keys: 5,
      headDim: 3,
      c: 0.5,
    });
    const weights = attention.ndarray([1, 5, 2], [1, 1, 1, 1, 1, 1, 1, 1, 0, 0]);
    const all = { ...options, keyWeights: weights };
    const first = (x: attention.NdArray) => attention.ndarray([1, 4, 2, 3], x.data.slice(0, 24));
    const given = attention.factorised(q, k, v, all);
    const without = attention.factorised(q, first(k), first(v), options);
    expect(relativeError(given.output.data, without.output.data)).toBeLessThan(1e-14);
    expect(relativeError(given.state.data, without.state.data)).toBeLessThan(1e-14);
    const found = attention.factorisedBackward(q, k, v, given, gradients, all);
    const truth = attention.factorisedBackward(q, first(k), first(v), without, gradients, options);
    expect(relativeError(found.dk.data.slice(0, 24), truth.dk.data)).toBeLessThan(1e-13);
    expect([...found.dk.data.slice(24), ...found.dv.data.slice(24)].every((value) => value === 0)).toBe(true);
  });

  it('zero vectors under L2 normalisation stay zero, with finite outputs and gradient 0', () => {
    const { q, k, v, options, gradients } = inputsOf({ mask: 'causal', queries: 4, headDim: 3, normalize: 'l2' });
    q.data.fill(0, 6, 9);
    k.data.fill(0, 12, 15);
    for (const [forward, backward] of [
      [attention.naive, attention.naiveBackward],
      [attention.factorised, attention.factorisedBackward],
    ] as const) {
      const saved = forward(q, k, v, options);
      const found = backward(q, k, v, saved, gradients, options);
      expect(saved.output.data.every(Number.isFinite)).toBe(true);
      expect([...found.dq.data.slice(6, 9), ...found.dk.data.slice(12, 15)]).toEqual([0, 0, 0, 0, 0, 0]);
      expect([...found.dq.data, ...found.dk.data].every(Number.isFinite)).toBe(true);
    }
  });

  it('L2 normalisation keeps g >= i (a - b r²) > 0 where raw q and k do not', () => {
    const [q, k, v] = [1, 2, 3].map((seed) => normal([1, 200, 1, 16], seed));
    const raw = attention.factorised(q, k, v);
    expect(Math.min(...raw.denominator.data)).toBeLessThanOrEqual(0);
    expect(raw.minDenominator).toBe(Math.min(...raw.denominator.data.map(Math.abs)));
    const normalized = attention.factorised(q, k, v, { normalize: 'l2', strict: true });
    normalized.denominator.data.forEach((g, i) => {
      expect(g).toBeGreaterThanOrEqual((i + 1) * (1 - 0.95) * (1 - 1e-12));
    });
  });
});
