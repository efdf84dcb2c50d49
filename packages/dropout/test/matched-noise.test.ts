import {
  affine,
  broadcastTo,
  concat,
  fill,
  type LinearAttentionOptions,
  linearAttention,
  type Mask,
  philoxFill,
  sees,
  slice,
  square,
  sum,
  type Tensor,
  tensor,
  valueAndGrad,
  vjp,
} from '@linattn/math';
import { float64Backend } from '@linattn/math/float64';
import { describe, expect, it } from 'vitest';
import { matchedNoise, noisyAttention } from '../src/index.ts';
import { type AttentionProblem, dropoutVariance, explicitAttention, randomProblem } from '../src/moments/index.ts';
import { expectClose, expectGradients, heads, normal, standardErrors } from './support.ts';

const backend = float64Backend();
const rate = 0.3;
const options = { rate, seed: 11, layer: 4, step: 6 } as const;
const matched = { ...options, mode: 'matched' } as const;

/** ε and η as documented. */
const epsilons = (size: number) =>
  philoxFill(new Float64Array(size), 'normal', [11, 0], [4, 6]).map((z) => z * Math.sqrt(rate / (1 - rate)));
const signs = (size: number) =>
  philoxFill(new Float64Array(size), 'uniform', [11, 0xffffffff], [4, 6]).map((u) => (u > 0.5 ? 1 : -1));

interface Case {
  readonly mask: Mask;
  readonly prefix?: number;
  readonly queries: number;
  readonly keys: number;
  readonly polynomial: readonly [number, number, number];
  readonly normalize: 'none' | 'l2';
  /** Leading tokens that come folded into an initial state. */
  readonly folded?: number;
  /** The last keys weigh 0, the first ones 2. */
  readonly weighted?: boolean;
}

const cases: Case[] = [
  { mask: 'causal', queries: 70, keys: 70, polynomial: [1, 1, 0], normalize: 'l2' },
  { mask: 'bidirectional', queries: 5, keys: 9, polynomial: [1, 1, 0], normalize: 'l2' },
  { mask: 'prefix', prefix: 4, queries: 12, keys: 12, polynomial: [2, 0.7, 0], normalize: 'l2' },
  { mask: 'causal', queries: 9, keys: 9, polynomial: [1, 1, 0.5], normalize: 'none' },
  { mask: 'causal', queries: 12, keys: 12, polynomial: [1, 1, 0], normalize: 'l2', folded: 5 },
  { mask: 'causal', queries: 12, keys: 12, polynomial: [1, 1, 0.5], normalize: 'l2', folded: 5, weighted: true },
];

describe('matchedNoise', () => {
  it.each(cases)('adds η Σ a ε (v - o), as the O(N²) sum has it: %o', async (given) => {
    const { mask, prefix, queries, keys, polynomial, normalize, folded = 0, weighted = false } = given;
    const [batch, count, width, valueWidth] = [2, 3, 4, 5];
    const [q, k, v] = heads(backend, [batch, queries, keys, count, width, valueWidth]).map((x, i) =>
      i === 2 ? x : affine(x, 0.3),
    );
    const [a, b, c] = polynomial;
    const shared = { mask, prefix, a, b, c, normalize } as const;
    const values = Float64Array.from({ length: batch * keys * count }, (_, i) => {
      const n = Math.floor(i / count) % keys;
      return !weighted ? 1 : n < 2 ? 2 : n >= keys - 3 ? 0 : 1;
    });
    const weights = tensor(backend, values, [batch, keys, count]);
    const after = (x: Tensor) => (folded ? slice(x, 1, folded, x.shape[1]) : x);
    const before = (x: Tensor) => slice(x, 1, 0, folded);
    const { state } = folded
      ? linearAttention(before(q), before(k), before(v), { ...shared, keyWeights: before(weights), returnState: true })
      : { state: undefined };
    const attention: LinearAttentionOptions = { ...shared, initialState: state, keyWeights: after(weights) };
    const { output } = noisyAttention(after(q), after(k), after(v), attention, matched);

    const [hq, hk, hv] = await Promise.all([q, k, v].map((x) => x.read()));
    const epsilon = epsilons(batch * (keys - folded) * count);
    const eta = signs(batch * (queries - folded) * count);
    const expected = new Float64Array(output.size);
    const row = (x: ArrayLike<number>, at: number, size: number) =>
      Array.from({ length: size }, (_, d) => x[at * size + d]);
    const dot = (x: number[], y: number[]) => x.reduce((total, value, d) => total + value * y[d], 0);
    const scaled = (x: number[]) => {
      const length = normalize === 'l2' ? Math.sqrt((0.95 * a) / b / dot(x, x)) : 1;
      return x.map((value) => value * length);
    };
    for (let at = 0; at < batch * (queries - folded) * count; at++) {
      const head = at % count;
      const i = Math.floor(at / count) % (queries - folded);
      const element = Math.floor(at / count / (queries - folded));
      const qi = scaled(row(hq, (element * queries + i + folded) * count + head, width));
      let g = 0;
      const terms: { weight: number; noise: number; value: number[] }[] = [];
      for (let n = 0; n < keys; n++) {
        if (!sees(mask, prefix ?? 0, i + folded, n)) continue;
        const place = (element * keys + n) * count + head;
        const s = dot(qi, scaled(row(hk, place, width)));
        const weight = values[place] * (a + b * s + c * s * s);
        g += weight;
        const noise = n < folded ? 0 : epsilon[(element * (keys - folded) + n - folded) * count + head];
        terms.push({ weight, noise, value: row(hv, place, valueWidth) });
      }
      for (let d = 0; d < valueWidth; d++) {
        const o = terms.reduce((total, { weight, value }) => total + (weight / g) * value[d], 0);
        const change = terms.reduce((total, term) => total + (term.weight / g) * term.noise * (term.value[d] - o), 0);
        expected[at * valueWidth + d] = o + eta[at] * change;
      }
    }
    expectClose(await output.read(), expected, 1e-10);
  });

  it('has gradients that agree with central differences, of coefficients and initial state too', async () => {
    const [q, k, v] = heads(backend, [1, 5, 5, 2, 2, 3]);
    const coefficients = tensor(backend, [1, 0.8, 0.3]);
    for (const order of [1, 2] as const) {
      const shared = { normalize: 'l2', order } as const;
      const past = linearAttention(k, q, v, { ...shared, coefficients, returnState: true }).state!;
      await expectGradients(
        backend,
        (gq, gk, gv, initialState, learned) =>
          noisyAttention(gq, gk, gv, { ...shared, coefficients: learned, initialState }, matched).output,
        [q, k, v, past, coefficients],
      );
    }
    await expectGradients(
      backend,
      (gq, gk, gv) => noisyAttention(gq, gk, gv, { mask: 'bidirectional', normalize: 'l2' }, matched).output,
      heads(backend, [2, 3, 4, 1, 2, 2]),
    );
  });

  it('has the pathwise gradient: over draws, of E[Σ out²] = Σ o² + Σ variance, noise scale included', async () => {
    const problem = randomProblem({ tokens: 6, headDim: 3, shift: 0.5 });
    const draws = 6000;
    const shape = [1, 6, 1, 3];
    const spread = (x: Float64Array) => broadcastTo(tensor(backend, x, shape), [draws, ...shape.slice(1)]);
    const wrt = [problem.q, problem.k, problem.v].map(spread);
    const { gradients } = valueAndGrad(() => {
      const attention = { normalize: 'l2', radius: problem.radius } as const;
      return sum(square(noisyAttention(wrt[0], wrt[1], wrt[2], attention, matched).output));
    }, wrt);
    const expectedLoss = (changed: AttentionProblem, noise: boolean) => {
      const squares = explicitAttention(changed).output.reduce((total, o) => total + o * o, 0);
      return squares + (noise ? dropoutVariance(changed, rate).reduce((total, variance) => total + variance, 0) : 0);
    };
    let [worstWith, worstWithout] = [0, 0];
    for (const [at, name] of (['q', 'k', 'v'] as const).entries()) {
      const found = await gradients[at].read();
      for (let i = 0; i < 18; i++) {
        const slope = (noise: boolean) => {
          const side = (h: number) =>
            expectedLoss({ ...problem, [name]: problem[name].map((x, j) => (j === i ? x + h : x)) }, noise);
          return (side(1e-5) - side(-1e-5)) / 2e-5;
        };
        let [mean, second] = [0, 0];
        for (let draw = 0; draw < draws; draw++) {
          mean += found[draw * 18 + i] / draws;
          second += found[draw * 18 + i] ** 2 / draws;
        }
        // Some gradients are 0 in every draw (the first query's q): rounding stays.
        const error = Math.sqrt(Math.max(0, second - mean ** 2) / draws) + 1e-9;
        worstWith = Math.max(worstWith, Math.abs(mean - slope(true)) / error);
        worstWithout = Math.max(worstWithout, Math.abs(mean - slope(false)) / error);
      }
    }
    expect(worstWith).toBeLessThan(standardErrors(54));
    expect(worstWithout).toBeGreaterThan(2 * standardErrors(54));
  });

  it('saves nothing beyond what attention saves, and leaves nothing behind', () => {
    const before = backend.memory().buffers;
    const [q, k, v] = heads(backend, [2, 33, 33, 2, 4, 4]);
    const saved = [undefined, matched].map((dropout) => {
      const run = vjp(() => [noisyAttention(q, k, v, { normalize: 'l2' }, dropout).output], [q, k, v]);
      const elements = run.savedElements();
      const seed = fill(backend, [2, 33, 2, 4], 1);
      for (const one of [...run.pullback([seed]), ...run.outputs, seed]) one.dispose();
      return elements;
    });
    expect(saved[1]).toBe(saved[0]);
    for (const one of [q, k, v]) one.dispose();
    expect(backend.memory().buffers).toBe(before);
  });

  it('refuses an output of another shape by name', () => {
    const [q, k, v] = heads(backend, [1, 3, 3, 1, 2, 2]);
    const o = normal(backend, [1, 3, 1, 3], 1);
    expect(() => matchedNoise(q, k, v, o, {}, options)).toThrow(/^o: expected \[1, 3, 1, 2\]/);
    expect(() => matchedNoise(q, k, v, concat([q, q], 1), {}, options)).toThrow(/^o: /);
  });
});
