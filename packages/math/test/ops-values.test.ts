import { describe, expect, it } from 'vitest';
import { float64Backend } from '../src/float64/index.ts';
import * as math from '../src/index.ts';
import {
  affine,
  broadcastTo,
  concat,
  fill,
  gather,
  indices,
  matmul,
  max,
  mean,
  min,
  neg,
  oneHot,
  pad,
  reshape,
  scatterAdd,
  slice,
  sum,
  type Tensor,
  tensor,
  transpose,
  type UnaryFunction,
  unaryFunctions,
} from '../src/index.ts';

const backend = float64Backend();
const of = (values: number[], ...shape: number[]) => tensor(backend, values, shape);
const counted = (...shape: number[]) =>
  of(
    Array.from({ length: shape.reduce((n, m) => n * m, 1) }, (_, i) => i),
    ...shape,
  );
const numbers = async (x: Tensor) => Array.from(await x.read());
const functions: Readonly<Record<UnaryFunction, (x: Tensor) => Tensor>> = math;
const apply = (fn: UnaryFunction, values: number[]) => numbers(functions[fn](of(values, values.length)));

describe('elementwise', () => {
  // Computed with 30 digits at the float64 numbers nearest to the arguments, then rounded to float64.
  it('erf agrees with tabulated values to 1e-15', async () => {
    const table = [
      [1e-8, 1.1283791670955126e-8],
      [0.001, 0.0011283787909692365],
      [0.1, 0.1124629160182849],
      [0.25, 0.27632639016823696],
      [0.5, 0.5204998778130465],
      [0.75, 0.7111556336535151],
      [1, 0.8427007929497149],
      [1.5, 0.9661051464753108],
      [2, 0.9953222650189527],
      [2.4, 0.999311486103355],
      [2.5, 0.999593047982555],
      [2.6, 0.9997639655834707],
      [3, 0.9999779095030014],
      [3.5, 0.9999992569016276],
      [4, 0.9999999845827421],
      [5, 0.9999999999984626],
      [5.9, 0.9999999999999999],
      [7, 1],
    ];
    for (const [x, expected] of table) {
      const [plus, minus] = await apply('erf', [x, -x]);
      expect(Math.abs(plus / expected - 1), `erf(${x})`).toBeLessThan(1e-15);
      expect(minus).toBe(-plus);
    }
    expect(await apply('erf', [0])).toEqual([0]);
  });

  const x = 0.7;
  const sigmoid = 1 / (1 + Math.exp(-x));
  const values: Record<UnaryFunction, [number, number]> = {
    exp: [Math.exp(x), Math.exp(-x)],
    log: [Math.log(x), Number.NaN],
    sqrt: [Math.sqrt(x), Number.NaN],
    rsqrt: [1 / Math.sqrt(x), Number.NaN],
    reciprocal: [1 / x, -1 / x],
    square: [x * x, x * x],
    abs: [x, x],
    sign: [1, -1],
    step: [1, 0],
    tanh: [Math.tanh(x), -Math.tanh(x)],
    sigmoid: [sigmoid, 1 - sigmoid],
    erf: [0.6778011938374184, -0.6778011938374184],
    relu: [x, 0],
    // x Φ(x), Φ(0.7) = 0.758036347776927
    gelu: [x * 0.758036347776927, -x * (1 - 0.758036347776927)],
    silu: [x * sigmoid, -x * (1 - sigmoid)],
    elu: [x, Math.expm1(-x)],
    sin: [Math.sin(x), -Math.sin(x)],
    cos: [Math.cos(x), Math.cos(x)],
  };

  it.each(unaryFunctions)('%s', async (fn) => {
    const found = await apply(fn, [x, -x]);
    values[fn].forEach((expected, i) => {
      if (Number.isNaN(expected)) expect(found[i]).toBeNaN();
      else expect(found[i]).toBeCloseTo(expected, 14);
    });
  });

  it('step and sign at 0', async () => {
    expect(await apply('step', [0])).toEqual([0]);
    expect(await apply('sign', [0])).toEqual([0]);
  });

  it('two arguments', async () => {
    const [a, b] = [of([1, -2, 3, 0], 4), of([2, -2, 0.5, 0.25], 4)];
    expect(await numbers(math.add(a, b))).toEqual([3, -4, 3.5, 0.25]);
    expect(await numbers(math.sub(a, b))).toEqual([-1, 0, 2.5, -0.25]);
    expect(await numbers(math.mul(a, b))).toEqual([2, 4, 1.5, 0]);
    expect(await numbers(math.div(a, b))).toEqual([0.5, 1, 6, 0]);
    expect(await numbers(math.maximum(a, b))).toEqual([2, -2, 3, 0.25]);
    expect(await numbers(math.minimum(a, b))).toEqual([1, -2, 0.5, 0]);
    expect(await numbers(math.ge(a, b))).toEqual([0, 1, 1, 0]);
    expect(await numbers(math.eq(a, b))).toEqual([0, 1, 0, 0]);
    expect(await numbers(affine(a, 2, 1))).toEqual([3, -3, 7, 1]);
    expect(await numbers(neg(a))).toEqual([-1, 2, -3, 0]);
  });

  it('broadcasting: each element from the indices that it stands for', async () => {
    const [a, b] = [counted(2, 1, 4), counted(3, 1)];
    const found = math.sub(a, math.affine(b, 10));
    expect(found.shape).toEqual([2, 3, 4]);
    const expected: number[] = [];
    for (let i = 0; i < 2; i++)
      for (let j = 0; j < 3; j++) for (let k = 0; k < 4; k++) expected.push(4 * i + k - 10 * j);
    expect(await numbers(found)).toEqual(expected);
    expect(math.add(of([1]), b).shape).toEqual([3, 1]);
    expect(await numbers(broadcastTo(of([1, 2], 2, 1), [2, 3]))).toEqual([1, 1, 1, 2, 2, 2]);
  });
});

describe('reductions', () => {
  const x = counted(2, 3, 4);

  it('over any axes', async () => {
    expect(await numbers(sum(x, [0]))).toEqual([12, 14, 16, 18, 20, 22, 24, 26, 28, 30, 32, 34]);
    expect(await numbers(sum(x, [1]))).toEqual([12, 15, 18, 21, 48, 51, 54, 57]);
    expect(await numbers(sum(x, [-1]))).toEqual([6, 22, 38, 54, 70, 86]);
    expect(await numbers(sum(x, [0, 2]))).toEqual([60, 92, 124]);
    expect(await numbers(sum(x, [2, 0]))).toEqual([60, 92, 124]);
    expect(await numbers(max(x, [0, 1]))).toEqual([20, 21, 22, 23]);
    expect(await numbers(min(x, [1, 2]))).toEqual([0, 12]);
    expect(await numbers(mean(x, [0]))).toEqual([6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17]);
    expect(await Promise.all([sum(x), max(x), min(x), mean(x)].map((y) => y.item()))).toEqual([276, 23, 0, 11.5]);
  });

  it('shapes', () => {
    expect(sum(x).shape).toEqual([]);
    expect(sum(x, [1]).shape).toEqual([2, 4]);
    expect(sum(x, [1], true).shape).toEqual([2, 1, 4]);
    expect(max(x, undefined, true).shape).toEqual([1, 1, 1]);
    expect(sum(x, []).shape).toEqual([2, 3, 4]);
  });
});

describe('movement', () => {
  const x = counted(2, 3);

  it('reshape, one extent left open', async () => {
    expect(reshape(x, [3, -1]).shape).toEqual([3, 2]);
    expect(reshape(x, [3, 2]).sharesStorage(x)).toBe(true);
    expect(await numbers(reshape(x, [-1]))).toEqual([0, 1, 2, 3, 4, 5]);
  });

  it('transpose', async () => {
    expect(await numbers(transpose(x))).toEqual([0, 3, 1, 4, 2, 5]);
    const y = transpose(counted(2, 3, 4), [1, 2, 0]);
    expect(y.shape).toEqual([3, 4, 2]);
    const expected: number[] = [];
    for (let j = 0; j < 3; j++)
      for (let k = 0; k < 4; k++) for (let i = 0; i < 2; i++) expected.push(12 * i + 4 * j + k);
    expect(await numbers(y)).toEqual(expected);
    expect(await numbers(transpose(counted(2, 3), [-1, 0]))).toEqual([0, 3, 1, 4, 2, 5]);
  });

  it('slice, pad, concat', async () => {
    expect(await numbers(slice(x, 1, 1, 3))).toEqual([1, 2, 4, 5]);
    expect(await numbers(slice(x, -2, 1, 2))).toEqual([3, 4, 5]);
    expect(await numbers(pad(x, 1, 1, 2))).toEqual([0, 0, 1, 2, 0, 0, 0, 3, 4, 5, 0, 0]);
    expect(await numbers(pad(x, 0, 1, 0))).toEqual([0, 0, 0, 0, 1, 2, 3, 4, 5]);
    expect(await numbers(concat([x, of([7, 8], 2, 1)], 1))).toEqual([0, 1, 2, 7, 3, 4, 5, 8]);
    expect(await numbers(concat([x, x], -2))).toEqual([0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5]);
  });

  it('moves int32 as int32', async () => {
    const ids = indices(backend, [5, -1, 7, 2], [2, 2]);
    for (const moved of [
      reshape(ids, [4]),
      transpose(ids),
      slice(ids, 0, 0, 1),
      pad(ids, 0, 1, 1),
      concat([ids, ids], 1),
    ]) {
      expect(moved.dtype).toBe('int32');
      expect(await moved.read()).toBeInstanceOf(Int32Array);
    }
  });

  it('what moves nothing is a view: its dispose leaves the source alone', () => {
    for (const same of [slice(x, 0, 0, 2), pad(x, 0, 0, 0), concat([x], 0), broadcastTo(x, [2, 3])]) {
      expect(same).not.toBe(x);
      expect(same.sharesStorage(x)).toBe(true);
      same.dispose();
    }
    expect(x.disposed).toBe(false);
  });
});

describe('products', () => {
  it('matmul in its four forms, batched', async () => {
    const a = counted(2, 2, 3);
    const b = affine(counted(2, 3, 4), 1, -5);
    const [x, y] = [await numbers(a), await numbers(b)];
    const expected: number[] = [];
    for (let n = 0; n < 2; n++)
      for (let i = 0; i < 2; i++)
        for (let j = 0; j < 4; j++) {
          let total = 0;
          for (let k = 0; k < 3; k++) total += x[6 * n + 3 * i + k] * y[12 * n + 4 * k + j];
          expected.push(total);
        }
    const flip = (t: Tensor) => transpose(t, [0, 2, 1]);
    expect(await numbers(matmul(a, b))).toEqual(expected);
    expect(await numbers(matmul(a, flip(b), false, true))).toEqual(expected);
    expect(await numbers(matmul(flip(a), b, true))).toEqual(expected);
    expect(await numbers(matmul(flip(a), flip(b), true, true))).toEqual(expected);
  });
});

describe('indexing', () => {
  const table = counted(3, 2);
  const ids = indices(backend, [2, 0, 2, 3, -1], [5]);

  it('gather gives zeros outside', async () => {
    expect(await numbers(gather(table, ids))).toEqual([4, 5, 0, 1, 4, 5, 0, 0, 0, 0]);
    expect(gather(table, reshape(ids, [5, 1])).shape).toEqual([5, 1, 2]);
  });

  it('scatterAdd sums duplicates and leaves out what is outside', async () => {
    expect(await numbers(scatterAdd(ids, counted(5, 2), 3))).toEqual([2, 3, 0, 0, 0 + 4, 1 + 5]);
  });

  it('oneHot is zero outside', async () => {
    expect(await numbers(oneHot(ids, 3))).toEqual([0, 0, 1, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
  });

  it('fill', async () => {
    expect(await numbers(fill(backend, [2, 2], -0.5))).toEqual([-0.5, -0.5, -0.5, -0.5]);
    expect(fill(backend, [], 1).shape).toEqual([]);
  });
});
