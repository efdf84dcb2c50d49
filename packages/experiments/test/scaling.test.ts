import { type Backend, type Kernel, LimitError, linearAttention, random, scope, type Tensor, vjp } from '@linattn/math';
import { float64Backend } from '@linattn/math/float64';
import { softmaxAttention } from '@linattn/math/network';
import { describe, expect, test } from 'vitest';
import { relativeError } from '../src/numerics/inputs.ts';
import { fitSlope } from '../src/scaling/fit.ts';
import { isMissing, type Measured, type Missing, measurePoint } from '../src/scaling/measure.ts';
import { MemoryBudgetError, meter } from '../src/scaling/meter.ts';
import { fullSoftmaxAttention } from '../src/scaling/methods/full-softmax.ts';
import { methods } from '../src/scaling/methods/index.ts';
import { separatedAttention } from '../src/scaling/methods/separation.ts';

type Attend = (q: Tensor, k: Tensor, v: Tensor) => Tensor;
const linear: Attend = (q, k, v) => linearAttention(q, k, v, { normalize: 'l2' }).output;

/** Output and gradients under a random dO, and numbers saved for backward. */
async function runMethod(attend: Attend, shape: readonly number[]) {
  const backend = float64Backend();
  const [q, k, v, dO] = [0, 1, 2, 3].map((stream) =>
    random(backend, { shape, distribution: 'normal', key: [7, 0], stream: [stream, 0] }),
  );
  const { outputs, pullback, savedElements } = vjp(() => [attend(q, k, v)], [q, k, v]);
  const saved = savedElements([q, k, v]);
  const tensors = [...outputs, ...pullback([dO])];
  const numbers = await Promise.all(tensors.map((each) => each.read()));
  for (const each of [...tensors, q, k, v, dO]) each.dispose();
  return { numbers, saved, left: backend.memory().buffers };
}

// Runs of 32 tokens and blocks of 128 rows: shorter, just so, and ragged.
describe.for([5, 32, 77, 130])('%i tokens', (tokens) => {
  test.for([
    ['kernel separation', separatedAttention, linear],
    ['full softmax', fullSoftmaxAttention, (q: Tensor, k: Tensor, v: Tensor) => softmaxAttention(q, k, v)],
  ] as const)('%s: output and gradients are those of the fast form', async ([, baseline, fast]) => {
    const shape = [2, tokens, 2, 5];
    const [found, truth] = [await runMethod(baseline, shape), await runMethod(fast, shape)];
    const errors = found.numbers.map((numbers, i) => relativeError(numbers, truth.numbers[i]));
    expect(Math.max(...errors)).toBeLessThan(1e-10);
    expect(found.left).toBe(0);
  });
});

test('the baselines save what autodiff saves: the running sums of every position, the weights of every pair', async () => {
  const [tokens, width, rows] = [64, 16, 4];
  const { saved } = await runMethod(separatedAttention, [2, tokens, 2, width]);
  const sums = rows * tokens * (width + 1) ** 2;
  expect(saved).toBeGreaterThan(sums);
  expect(saved).toBeLessThan(1.6 * sums);
  const softmax = await runMethod(fullSoftmaxAttention, [2, 256, 2, 4]);
  expect(softmax.saved).toBeGreaterThan(rows * 256 ** 2);
  expect(softmax.saved).toBeLessThan(1.1 * rows * 256 ** 2);
});

test('the meter counts the peak, and refuses what would go over the budget', () => {
  const inner = float64Backend();
  const metered = meter(inner, 10_000);
  const draw = (size: number) =>
    random(metered.backend, { shape: [size], distribution: 'normal', key: [1, 0], stream: [0, 0] });
  scope(() => {
    draw(500);
    draw(500);
  });
  const kept = draw(100);
  expect(metered.peakBytes).toBe(8000);
  metered.reset();
  expect(metered.peakBytes).toBe(800);
  expect(() => draw(2000)).toThrow(MemoryBudgetError);
  expect(inner.memory().bytes).toBe(800);
  kept.dispose();
});

test('a method over budget is marked, and so is the size after it; one over the time limit is foreseen', async () => {
  const backend = float64Backend();
  const full = methods.find(({ name }) => name === 'softmax, full')!;
  const measure = (tokens: number, options: { memoryBudget?: number; timeLimit?: number; before?: never } = {}) =>
    measurePoint(backend, {
      method: full,
      shape: { batch: 1, heads: 1, tokens, headDim: 4 },
      seed: 1,
      clock: 'wall',
      memoryBudget: 2 ** 30,
      timeLimit: 60,
      ...options,
    });
  const shape = { batch: 1, heads: 1, tokens: 128, headDim: 4 };
  const point = await measure(128);
  expect(isMissing(point.both)).toBe(false);
  expect((point.both as Measured).peakBytes).toBeGreaterThan(2 * 8 * 128 ** 2);
  expect((point.both as Measured).savedElements).toBeGreaterThan(128 ** 2);
  const over = await measure(128, { memoryBudget: 8 * 128 ** 2 });
  expect(over.both).toMatchObject({ missing: 'memory', reason: expect.stringContaining('over the budget of 131072') });
  const next = await measurePoint(backend, {
    method: full,
    shape: { ...shape, tokens: 256 },
    seed: 1,
    clock: 'processor',
    memoryBudget: 2 ** 30,
    timeLimit: 60,
    before: { shape, point: over },
  });
  expect((next.both as Missing).reason).toMatch(/^as at the size before: /);
  const slow = await measurePoint(backend, {
    method: full,
    shape: { ...shape, tokens: 12_800 },
    seed: 1,
    clock: 'processor',
    memoryBudget: 2 ** 40,
    timeLimit: (point.forward as Measured).seconds * 9000,
    before: { shape, point },
  });
  expect(slow.forward).toMatchObject({ missing: 'time' });
  expect(backend.memory().buffers).toBe(0);
});

/** A backend that refuses tensors over `largest` numbers. */
function limited(inner: Backend, largest: number): Backend {
  const refuse =
    (kernel: Kernel<never>): Kernel<never> =>
    (inputs, attributes, outputs) => {
      for (const { shape } of outputs) {
        const size = shape.reduce((product, extent) => product * extent, 1);
        if (size > largest) throw new LimitError('shape', size, 'the largest tensor', largest);
      }
      return kernel(inputs, attributes, outputs);
    };
  const kernels = Object.entries<Kernel<never>>({ ...inner.kernels }).map(([name, kernel]) => [name, refuse(kernel)]);
  return {
    name: inner.name,
    dtype: inner.dtype,
    limits: inner.limits,
    kernels: Object.fromEntries(kernels),
    upload: (values, spec) => inner.upload(values, spec),
    download: (handle, spec) => inner.download(handle, spec),
    release: (handle) => inner.release(handle),
    memory: () => inner.memory(),
    dispose: () => inner.dispose(),
  };
}

test('a batch over what a tensor may hold is cut, by rows and then by heads, and counts as whole', async () => {
  const linattn = methods.find(({ name }) => name === 'linattn')!;
  const shape = { batch: 2, heads: 4, tokens: 32, headDim: 8 };
  const inner = float64Backend();
  const size = 2 * 4 * 32 * 8;
  const measure = (largest: number) =>
    measurePoint(limited(inner, largest), {
      ...{ method: linattn, shape, seed: 1, clock: 'wall', memoryBudget: 2 ** 30, timeLimit: 10 },
    });
  const [whole, rows, heads] = [await measure(size), await measure(size / 2), await measure(size / 8)];
  expect([whole, rows, heads].map(({ both }) => (both as Measured).parts)).toEqual([undefined, 2, 8]);
  const { savedElements, peakBytes } = whole.both as Measured;
  for (const { both } of [rows, heads]) {
    // Each part has its own a, b and c.
    expect((both as Measured).savedElements).toBe(savedElements! + 3 * ((both as Measured).parts! - 1));
    expect((both as Measured).peakBytes).toBeGreaterThan(0.9 * peakBytes);
  }
  expect((await measure(size / 16)).both).toMatchObject({ missing: 'backend', reason: expect.stringContaining('256') });
  expect(inner.memory().buffers).toBe(0);
});

test('what a backend compiles before its first pass is no part of a time', async () => {
  const inner = float64Backend();
  const compiling = 300;
  let compiled = false;
  const slow: Backend = {
    ...limited(inner, Number.POSITIVE_INFINITY),
    download: async (handle, spec) => {
      if (!compiled) await new Promise((resolve) => setTimeout(resolve, compiling));
      compiled = true;
      return inner.download(handle, spec);
    },
  };
  const point = await measurePoint(slow, {
    method: methods.find(({ name }) => name === 'linattn')!,
    shape: { batch: 1, heads: 1, tokens: 16, headDim: 4 },
    ...{ seed: 1, clock: 'wall', memoryBudget: 2 ** 30, timeLimit: compiling / 1000 / 2 },
  });
  // The first run would else be over the limit, and the only one.
  expect((point.forward as Measured).runs).toBe(7);
  expect((point.both as Measured).runs).toBe(7);
});

test('slopes of powers are their exponents, from the larger sizes', () => {
  const points = [1, 2, 4, 8, 16, 32].map((x) => ({ x, y: 3 * x ** 1.5 }));
  expect(fitSlope(points)).toMatchObject({ from: 8, to: 32, points: 3 });
  expect(fitSlope(points)!.slope).toBeCloseTo(1.5, 12);
  // What every call costs does not show.
  expect(fitSlope(points.map(({ x, y }) => ({ x, y: y + (x < 8 ? 100 : 0) })))!.slope).toBeCloseTo(1.5, 12);
  expect(fitSlope(points.slice(0, 2))).toBeUndefined();
});
