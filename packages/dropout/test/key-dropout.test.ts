import { type Backend, concat, fill, linearAttention, mul, philoxFill, slice, tensor, vjp } from '@linattn/math';
import { float64Backend } from '@linattn/math/float64';
import { describe, expect, it } from 'vitest';
import { dropKeys, droppedWeight, noisyAttention } from '../src/index.ts';
import { explicitAttention, randomProblem } from '../src/moments/index.ts';
import { expectClose, expectGradients, heads, normal, roundingBackend, standardErrors } from './support.ts';

const backend = float64Backend();
const options = { rate: 0.4, seed: 3, layer: 1, step: 2 } as const;

describe('dropKeys', () => {
  const [q, k, v] = heads(backend, [2, 11, 11, 3, 4, 5]);

  it('drops key n of a head where its uniform draw is below the rate', async () => {
    const draws = philoxFill(new Float64Array(2 * 11 * 3), 'uniform', [3, 0], [1, 2]);
    const expected = draws.map((u) => (u < 0.4 ? droppedWeight : 1 / 0.6));
    const mask = dropKeys(k, options)!;
    expect(mask.shape).toEqual([2, 11, 3]);
    expectClose(await mask.read(), expected, 1e-15);
  });

  it.each([0.01, 0.1, 0.5, 0.9])('drops a share of %d', async (rate) => {
    const draws = 40_000;
    const weights = await dropKeys(fill(backend, [1, draws, 1, 1], 0), { rate, seed: 1 })!.read();
    const dropped = weights.filter((weight) => weight < 1).length / draws;
    expect(Math.abs(dropped - rate)).toBeLessThan(standardErrors(4) * Math.sqrt((rate * (1 - rate)) / draws));
  });

  it('attends to the kept keys only: rows that keep a key match renormalised attention over them', async () => {
    const problem = randomProblem({ tokens: 24, headDim: 4 });
    const { tokens, headDim, radius } = problem;
    const [pq, pk, pv] = [problem.q, problem.k, problem.v].map((x) => tensor(backend, x, [1, tokens, 1, headDim]));
    const attention = { normalize: 'l2', radius } as const;
    // A seed under which the first two keys are dropped: their rows fall back to plain attention.
    const seed = await seedThatDrops(pk, 2);
    const weights = await dropKeys(pk, { rate: 0.4, seed })!.read();
    const { output } = noisyAttention(pq, pk, pv, attention, { mode: 'keys', rate: 0.4, seed });
    const { weights: a, output: plain } = explicitAttention(problem);
    const expected = new Float64Array(tokens * headDim);
    for (let i = 0; i < tokens; i++) {
      const kept = [...weights.keys()].filter((n) => weights[n] > 1 && n <= i);
      const g = kept.reduce((total, n) => total + a[i * tokens + n], 0);
      for (let d = 0; d < headDim; d++) {
        const sum = kept.reduce((total, n) => total + a[i * tokens + n] * problem.v[n * headDim + d], 0);
        expected[i * headDim + d] = kept.length === 0 ? plain[i * headDim + d] : sum / g;
      }
    }
    // What dropped keys still weigh is far below float32.
    expectClose(await output.read(), expected, 1e-5);
    expectClose((await output.read()).subarray(0, 2 * headDim), plain.subarray(0, 2 * headDim), 1e-12);
  });

  async function seedThatDrops(like: Parameters<typeof dropKeys>[0], first: number): Promise<number> {
    for (let seed = 0; ; seed++) {
      const weights = await dropKeys(like, { rate: 0.4, seed })!.read();
      if (weights.subarray(0, first).every((weight) => weight < 1)) return seed;
    }
  }

  it('keeps padding hidden', async () => {
    const padding = tensor(
      backend,
      Float64Array.from({ length: 2 * 11 * 3 }, (_, i) => (Math.floor(i / 3) % 11 < 8 ? 1 : 0)),
      [2, 11, 3],
    );
    const noise = { ...options, mode: 'keys' } as const;
    const padded = noisyAttention(q, k, v, { normalize: 'l2', keyWeights: padding }, noise).output;
    const other = tensor(
      backend,
      (await v.read()).map((value, i) => (Math.floor(i / 15) % 11 < 8 ? value : 1000)),
      v.shape,
    );
    const changed = noisyAttention(q, k, other, { normalize: 'l2', keyWeights: padding }, noise).output;
    expect(await slice(changed, 1, 0, 8).read()).toEqual(await slice(padded, 1, 0, 8).read());
  });

  it('gives a state whose mean over masks is the state without dropout', async () => {
    const draws = 4000;
    const many = (x: typeof k) =>
      concat(
        Array.from({ length: draws / 2 }, () => x),
        0,
      );
    const attention = { normalize: 'l2', returnState: true } as const;
    const state = await noisyAttention(many(q), many(k), many(v), attention, {
      ...options,
      mode: 'keys',
    }).state!.read();
    const plain = linearAttention(q, k, v, attention).state!;
    const expected = await plain.read();
    // q, k and v hold two batch elements each: every element of the state has draws / 2 samples.
    for (let at = 0; at < expected.length; at++) {
      let [mean, square] = [0, 0];
      for (let i = at; i < state.length; i += expected.length) {
        mean += state[i] / (draws / 2);
        square += state[i] ** 2 / (draws / 2);
      }
      const error = Math.sqrt((square - mean ** 2) / (draws / 2));
      expect(Math.abs(mean - expected[at])).toBeLessThan(standardErrors(expected.length) * error);
    }
  });

  it('has gradients that agree with central differences, through an initial state too', async () => {
    const [sq, sk, sv] = heads(backend, [1, 5, 5, 2, 2, 3]);
    const { state } = linearAttention(sk, sk, sv, { normalize: 'l2', returnState: true });
    await expectGradients(
      backend,
      (gq, gk, gv, initialState) =>
        noisyAttention(gq, gk, gv, { normalize: 'l2', initialState }, { ...options, mode: 'keys' }).output,
      [sq, sk, sv, state!],
    );
    // Rows whose keys are all dropped have gradients of ordinary size.
    const seed = await seedThatDrops(slice(sk, 2, 0, 1), 1);
    const one = [sq, sk, sv].map((x) => slice(x, 2, 0, 1));
    await expectGradients(
      backend,
      (gq, gk, gv) => noisyAttention(gq, gk, gv, { normalize: 'l2' }, { rate: 0.4, seed, mode: 'keys' }).output,
      one,
    );
  });

  it('loses no float32 precision to rows whose keys are all dropped, forward and backward', async () => {
    const [tokens, width] = [70, 8];
    const inputs = (on: Backend) => heads(on, [1, tokens, tokens, 1, width, width]);
    const seed = await seedThatDrops(inputs(backend)[1], 3);
    const run = async (on: Backend) => {
      const wrt = inputs(on);
      const { outputs, pullback } = vjp(
        () => [noisyAttention(...wrt, { normalize: 'l2' }, { rate: 0.4, seed, mode: 'keys' }).output],
        wrt,
      );
      const found = [...outputs, ...pullback([normal(on, [1, tokens, 1, width], 5)])];
      return Promise.all(found.map((one) => one.read()));
    };
    const [exact, rounded] = [await run(backend), await run(roundingBackend())];
    for (const [at, values] of exact.entries()) expectClose(rounded[at], values, 1e-5);
  });

  it('saves one number a key beside what attention saves', () => {
    const run = (mode?: 'keys') => {
      const { savedElements, outputs, dispose } = vjp(() => {
        const dropout = mode && ({ ...options, mode } as const);
        return [noisyAttention(q, k, v, { normalize: 'l2' }, dropout).output];
      }, [q, k, v]);
      const saved = savedElements();
      for (const output of outputs) output.dispose();
      dispose();
      return saved;
    };
    expect(run('keys') - run()).toBe(2 * 11 * 3);
  });

  it('leaves nothing behind', () => {
    const before = backend.memory().buffers;
    const { output, denominator } = noisyAttention(q, k, v, {}, { ...options, mode: 'keys' });
    mul(output, output).dispose();
    output.dispose();
    denominator.dispose();
    expect(backend.memory().buffers).toBe(before);
  });
});
