import { describe, expect, it } from 'vitest';
import { float64Backend } from '../src/float64/index.ts';
import * as math from '../src/index.ts';
import {
  add,
  type Backend,
  concat,
  DenominatorError,
  DeviceError,
  FormatError,
  fill,
  gather,
  indices,
  LimitError,
  LinattnError,
  l2Normalize,
  linear,
  linearAttention,
  MissingGradientError,
  matmul,
  NonFiniteError,
  oneHot,
  pad,
  reshape,
  ShapeError,
  scatterAdd,
  slice,
  sum,
  TensorUseError,
  tensor,
  transpose,
  tripleProduct,
  UnsupportedError,
  ValueError,
} from '../src/index.ts';
import {
  adamW,
  crossEntropy,
  layerNorm,
  linearCrossEntropy,
  rmsNorm,
  rotary,
  softmaxAttention,
  weightedLinearCrossEntropy,
} from '../src/network/index.ts';

const backend = float64Backend();
const zeros = (...shape: number[]) => fill(backend, shape, 0);
const ids = (...shape: number[]) => indices(backend, new Array(shape.reduce((n, m) => n * m, 1)).fill(0), shape);

/** The error that `run` throws, as a program would look at it. */
function thrown(run: () => unknown): LinattnError {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(LinattnError);
    return error as LinattnError;
  }
  throw new Error('nothing was thrown');
}

describe('error classes', () => {
  const examples = [
    [new ShapeError('x', [1, 2], 'rank 3'), 'SHAPE', 'x', 'x: expected rank 3, given [1, 2]'],
    [new ValueError('p', -1, 'a number >= 0'), 'VALUE', 'p', 'p: expected a number >= 0, given -1'],
    [new NonFiniteError('w', Number.NaN, 3), 'NON_FINITE', 'w', 'w: NaN at element 3; every number must be finite'],
    [new DenominatorError(-0.5), 'DENOMINATOR', 'g', /smallest denominator is -0.5/],
    [new MissingGradientError('sort'), 'MISSING_GRADIENT', 'sort', 'sort: this operation has no gradient rule'],
    [
      new UnsupportedError('wasm', 'sort', 'use another'),
      'UNSUPPORTED',
      'sort',
      'wasm: sort is not supported; use another',
    ],
    [new LimitError('x', 10, 'the largest buffer', 4), 'LIMIT', 'x', 'x: 10 is over the largest buffer (4)'],
    [new TensorUseError('used late', 'x'), 'TENSOR_USE', 'x', 'used late'],
    [new DeviceError('lost', { cause: 1 }), 'DEVICE', undefined, 'lost'],
    [new FormatError('a.bin', 'cut short', { given: 3 }), 'FORMAT', 'a.bin', 'a.bin: cut short'],
  ] as const;

  it.each(examples)('%s', (error, code, argument, message) => {
    expect(error).toBeInstanceOf(LinattnError);
    expect(error).toBeInstanceOf(Error);
    expect(error.code).toBe(code);
    expect(error.argument).toBe(argument);
    expect(error.name).toBe(error.constructor.name);
    if (typeof message === 'string') expect(error.message).toBe(message);
    else expect(error.message).toMatch(message);
  });

  it('carry a cause only when there is one', () => {
    expect(new DeviceError('lost', { cause: 1 }).cause).toBe(1);
    expect('cause' in new DeviceError('lost')).toBe(false);
  });

  it('are all exported', () => {
    const classes = Object.values(math).filter(
      (value) => typeof value === 'function' && value.prototype instanceof LinattnError,
    );
    expect(new Set(classes)).toEqual(new Set(examples.map(([error]) => error.constructor)));
  });
});

describe('uploads', () => {
  const upload = (values: number[] | number, shape?: number[], dtype: 'float' | 'int32' = 'float') =>
    thrown(() => tensor(backend, values, shape, { name: 'weight', dtype }));

  it.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])('of %d', (value) => {
    const error = upload([1, 2, value, 4]);
    expect(error).toBeInstanceOf(NonFiniteError);
    expect(error).toMatchObject({ argument: 'weight', given: value });
    expect(error.message).toMatch(/element 2/);
  });

  it('of what is not a number', () => {
    expect(upload([1, 'x' as unknown as number])).toBeInstanceOf(NonFiniteError);
    expect(upload([1, undefined as unknown as number])).toBeInstanceOf(NonFiniteError);
  });

  it('of numbers that a float32 backend would store as infinities', () => {
    const half: Backend = { ...backend, name: 'half', dtype: 'float32' };
    expect(thrown(() => tensor(half, [1, 1e39]))).toBeInstanceOf(NonFiniteError);
    expect(tensor(backend, [1e39]).size).toBe(1);
  });

  it.each([1.5, 2 ** 31, -(2 ** 31) - 1])('of %d as an index', (value) => {
    const error = upload([0, value], [2], 'int32');
    expect(error).toBeInstanceOf(ValueError);
    expect(error).toMatchObject({ argument: 'weight[1]', given: value });
  });

  it('of too many or too few numbers', () => {
    for (const values of [
      [1, 2, 3],
      [1, 2, 3, 4, 5],
    ]) {
      expect(upload(values, [2, 2])).toMatchObject({ code: 'SHAPE', argument: 'weight', expected: '[2, 2]' });
    }
    expect(upload(1, [2])).toBeInstanceOf(ShapeError);
  });

  it.each([[[0]], [[2, 0]], [[-1, -2]], [[1.5, 2]], [[Number.NaN]]])('with extents %j', (shape) => {
    expect(upload([1, 2], shape)).toMatchObject({ code: 'SHAPE', argument: 'weight' });
    expect(thrown(() => fill(backend, shape, 1))).toMatchObject({ code: 'SHAPE', argument: 'shape' });
  });

  it('of nothing', () => {
    expect(upload([])).toBeInstanceOf(ShapeError);
  });

  it('leave no buffer behind', () => {
    const before = backend.memory().buffers;
    upload([Number.NaN]);
    upload([1], [2]);
    expect(backend.memory().buffers).toBe(before);
  });
});

describe('backends', () => {
  it('are not mixed', () => {
    const other = tensor({ ...float64Backend(), name: 'other' }, [1, 2]);
    const error = thrown(() => add(tensor(backend, [1, 2]), other));
    expect(error).toBeInstanceOf(TensorUseError);
    expect(error.message).toMatch(/float64, other/);
  });

  it('refuse tensors over their limit, made or uploaded', () => {
    const small: Backend = { ...float64Backend(), name: 'small', limits: { maxElements: 6 } };
    const x = tensor(small, [1, 2, 3]);
    const y = tensor(small, [1, 2, 3], [3, 1]);
    expect(thrown(() => add(x, y))).toMatchObject({ code: 'LIMIT', argument: 'binary', given: 9 });
    expect(thrown(() => tensor(small, Array(7).fill(0)))).toMatchObject({
      code: 'LIMIT',
      argument: 'values',
      given: 7,
    });
    expect(thrown(() => fill(small, [7], 0))).toBeInstanceOf(LimitError);
    expect(small.memory().buffers).toBe(2);
  });

  it('without a kernel say so, by name', () => {
    const bare: Backend = { ...backend, name: 'bare', kernels: {} };
    const error = thrown(() => fill(bare, [2], 0));
    expect(error).toBeInstanceOf(UnsupportedError);
    expect(error).toMatchObject({ argument: 'fill' });
    expect(error.message).toMatch(/bare/);
  });
});

describe('arguments of operations', () => {
  const q = zeros(1, 4, 2, 6);
  const cases: [string, () => unknown, new (...given: never[]) => LinattnError, string][] = [
    ['add', () => add(zeros(2, 3), zeros(2, 4)), ShapeError, 'add: y'],
    ['sum axis', () => sum(zeros(2, 3), [2]), ShapeError, 'axes'],
    ['sum axis twice', () => sum(zeros(2, 3), [1, -1]), ShapeError, 'axes'],
    ['matmul rank', () => matmul(zeros(3), zeros(3)), ShapeError, 'a'],
    ['matmul inner', () => matmul(zeros(2, 3), zeros(2, 3)), ShapeError, 'b'],
    ['matmul batch', () => matmul(zeros(2, 2, 3), zeros(3, 3, 2)), ShapeError, 'b'],
    ['reshape', () => reshape(zeros(2, 3), [4]), ShapeError, 'shape'],
    ['reshape -1', () => reshape(zeros(2, 3), [4, -1]), ShapeError, 'shape'],
    ['transpose', () => transpose(zeros(2, 3), [0, 0]), ShapeError, 'permutation'],
    ['transpose length', () => transpose(zeros(2, 3), [0]), ShapeError, 'permutation'],
    ['slice', () => slice(zeros(2, 3), 1, 2, 4), ShapeError, 'slice'],
    ['slice empty', () => slice(zeros(2, 3), 1, 2, 2), ShapeError, 'slice'],
    ['slice axis', () => slice(zeros(2, 3), 2, 0, 1), ShapeError, 'axis'],
    ['pad', () => pad(zeros(2, 3), 1, -1, 0), ShapeError, 'pad'],
    ['concat extents', () => concat([zeros(2, 3), zeros(3, 3)], 1), ShapeError, 'concat[1]'],
    ['gather indices', () => gather(zeros(2, 3), zeros(2)), ShapeError, 'indices'],
    ['gather table', () => gather(zeros(2), ids(2)), ShapeError, 'table'],
    ['scatterAdd rows', () => scatterAdd(ids(2), zeros(3, 4), 5), ShapeError, 'rows'],
    ['oneHot indices', () => oneHot(zeros(2), 3), ShapeError, 'indices'],
    ['linear x', () => linear(zeros(2, 3), zeros(4, 5)), ShapeError, 'x'],
    ['linear weight', () => linear(zeros(2, 3), zeros(3)), ShapeError, 'weight'],
    ['linear bias', () => linear(zeros(2, 3), zeros(4, 3), zeros(3)), ShapeError, 'bias'],
    ['layerNorm', () => layerNorm(zeros(2, 3), zeros(3), zeros(2)), ShapeError, 'bias'],
    ['rmsNorm', () => rmsNorm(zeros(2, 3), zeros(2)), ShapeError, 'weight'],
    ['l2Normalize', () => l2Normalize(zeros(2, 3), 0), ValueError, 'radius'],
    ['rotary odd', () => rotary(q, { dimensions: 3 }), ValueError, 'dimensions'],
    ['rotary wide', () => rotary(q, { dimensions: 8 }), ValueError, 'dimensions'],
    ['rotary offset', () => rotary(q, { offset: -1 }), ValueError, 'offset'],
    ['rotary rank', () => rotary(zeros(2, 4)), ShapeError, 'x'],
    ['crossEntropy rank', () => crossEntropy(zeros(2, 3, 4), ids(2)), ShapeError, 'logits'],
    ['crossEntropy rows', () => crossEntropy(zeros(2, 3), ids(3)), ShapeError, 'targets'],
    ['crossEntropy dtype', () => crossEntropy(zeros(2, 3), zeros(2)), ShapeError, 'targets'],
    ['linearCrossEntropy', () => linearCrossEntropy(zeros(2, 3), zeros(7, 4), ids(2)), ShapeError, 'weight'],
    [
      'weightedLinearCrossEntropy weight',
      () => weightedLinearCrossEntropy(zeros(2, 3), zeros(7, 4), ids(2), zeros(2)),
      ShapeError,
      'weight',
    ],
    [
      'weightedLinearCrossEntropy weights',
      () => weightedLinearCrossEntropy(zeros(2, 3), zeros(7, 3), ids(2), zeros(3)),
      ShapeError,
      'weights',
    ],
    ['tripleProduct y', () => tripleProduct(q, zeros(1, 5, 2, 6), q), ShapeError, 'y'],
    ['tripleProduct z', () => tripleProduct(q, q, zeros(1, 4, 3, 6)), ShapeError, 'z'],
    ['tripleProduct state', () => tripleProduct(q, q, q, { initialState: q }), ShapeError, 'initialState'],
    ['linearAttention rank', () => linearAttention(zeros(4, 6), q, q), ShapeError, 'q'],
    ['linearAttention k', () => linearAttention(q, zeros(1, 5, 2, 6), q), ShapeError, 'k'],
    ['linearAttention v', () => linearAttention(q, q, zeros(1, 4, 1, 6)), ShapeError, 'v'],
    ['linearAttention a', () => linearAttention(q, q, q, { a: Number.NaN }), ValueError, 'a'],
    ['linearAttention state', () => linearAttention(q, q, q, { initialState: q }), ShapeError, 'initialState'],
    ['linearAttention weights', () => linearAttention(q, q, q, { keyWeights: zeros(4) }), ShapeError, 'keyWeights'],
    ['linearAttention radius', () => linearAttention(q, q, q, { radius: 1 }), ValueError, 'radius'],
    ['linearAttention mask', () => linearAttention(q, q, q, { mask: 'x' as 'causal' }), ValueError, 'mask'],
    ['linearAttention prefix', () => linearAttention(q, q, q, { mask: 'prefix' }), ValueError, 'prefix'],
    [
      'linearAttention long prefix',
      () => linearAttention(q, q, q, { mask: 'prefix', prefix: 5 }),
      ShapeError,
      'prefix',
    ],
    ['linearAttention causal prefix', () => linearAttention(q, q, q, { prefix: 2 }), ValueError, 'prefix'],
    ['float wanted', () => add(zeros(2), ids(2)), ValueError, 'binary: input 1'],
    ['float table wanted', () => gather(ids(2, 3), ids(2)), ValueError, 'gather: input 0'],
    ['concat of two types', () => concat([zeros(2), ids(2)], 0), ShapeError, 'concat[1]'],
    ['softmaxAttention', () => softmaxAttention(q, zeros(1, 4, 2, 5), q), ShapeError, 'k'],
  ];

  it.each(cases)('%s', (_, run, type, argument) => {
    const before = backend.memory().buffers;
    const error = thrown(() => math.scope(run));
    expect(error).toBeInstanceOf(type);
    expect(error.argument).toBe(argument);
    expect(backend.memory().buffers).toBe(before);
  });

  it('adamW groups', () => {
    const [x, y] = [zeros(3), zeros(4)];
    const run = () =>
      adamW([{ parameter: x, gradient: y, moment1: x, moment2: x }], zeros(), {
        learningRate: 1,
        beta1: 0.9,
        beta2: 0.999,
        epsilon: 1e-8,
        step: 1,
        weightDecay: [0],
      });
    expect(thrown(run)).toMatchObject({ code: 'SHAPE', argument: 'group 0' });
  });
});
