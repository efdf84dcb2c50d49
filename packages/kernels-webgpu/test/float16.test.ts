import {
  affine,
  broadcastTo,
  concat,
  exp,
  fill,
  gather,
  gelu,
  indices,
  l2Normalize,
  linear,
  linearAttention,
  matmul,
  mul,
  pad,
  reshape,
  type Shape,
  scatterAdd,
  scope,
  slice,
  sum,
  type Tensor,
  TensorUseError,
  tensor,
  transpose,
  ValueError,
  vjp,
} from '@linattn/math';
import { float64Backend } from '@linattn/math/float64';
import {
  adamW,
  crossEntropy,
  layerNorm,
  linearCrossEntropy,
  rmsNorm,
  rotary,
  softmaxAttention,
  squaredNorm,
  weightedLinearCrossEntropy,
} from '@linattn/math/network';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { toFloat16, toFloat32 } from '../src/core/float16.ts';
import type { WebgpuBackend } from '../src/index.ts';
import { usage } from '../src/runtime/flags.ts';
import { bindingTuning, bufferOf, Gpu } from '../src/runtime/gpu.ts';
import { open } from './adapter.ts';
import { bitsOf, numberOf, rounded } from './halves.ts';

const backend = await open();
const missing = typeof backend === 'string' ? backend : undefined;
if (missing) console.warn(`Float16 storage in WebGPU is skipped: ${missing}`);
afterAll(() => (typeof backend === 'string' ? undefined : backend.dispose()));

/** Numbers of the size of weights, over some powers of two. */
const numbers = (size: number, key = 0) =>
  Float32Array.from({ length: size }, (_, i) => Math.sin(i * 1.7 + key) * 2 ** (((i * 5 + key) % 9) - 6));

const sizeOf = (shape: Shape) => shape.reduce((x, y) => x * y, 1);

const draw = (on: WebgpuBackend, shape: Shape, key = 0) => tensor(on, numbers(sizeOf(shape), key), shape);

/** The same numbers stored in float16, and, rounded, in float32. */
function both(on: WebgpuBackend, shape: Shape, key = 0): { half: Tensor; float: Tensor } {
  const values = numbers(sizeOf(shape), key);
  const full = tensor(on, values, shape);
  const half = on.toFloat16(full);
  full.dispose();
  return { half, float: tensor(on, values.map(rounded), shape) };
}

test('the reference rounds as the standard says', () => {
  for (let bits = 0; bits < 0x10000; bits++) {
    const nan = (bits & 0x7fff) > 0x7c00;
    expect(bitsOf(numberOf(bits))).toBe(nan ? 0x7e00 : bits);
  }
  // A third is 0b1.0101010101 01... x 2^-2; 2049 lies between 2048 and 2050, 2051 between 2050 and 2052.
  expect([1 / 3, 2049, 2051, 65_519.99, 65_520, 2 ** -25, 1.5 * 2 ** -24].map(rounded)).toEqual([
    1365 / 4096,
    2048,
    2052,
    65_504,
    Number.POSITIVE_INFINITY,
    0,
    2 ** -23,
  ]);
});

describe.skipIf(missing !== undefined)('float16 storage', () => {
  if (typeof backend === 'string') return;
  let before = backend.memory();
  beforeEach(() => {
    before = backend.memory();
  });
  afterEach(() => {
    const { buffers, bytes } = before;
    expect(backend.memory()).toMatchObject({ buffers, bytes });
  });
  const free = (...tensors: readonly (Tensor | undefined)[]) => {
    for (const each of tensors) each?.dispose();
  };
  const read = async (...tensors: readonly Tensor[]) => {
    const values = await Promise.all(tensors.map((each) => each.read()));
    free(...tensors);
    return values;
  };

  describe('conversion', () => {
    const gpu = new Gpu(backend.device, { software: true, wholeVectors: true });
    afterAll(() => gpu.dispose());

    test('all halves become the floats that they are', async () => {
      const all = Uint16Array.from({ length: 0x10000 }, (_, bits) => bits);
      const halves = gpu.upload(new Int32Array(all.buffer));
      const floats = new Float32Array(await gpu.download(toFloat32(gpu, halves, all.length), 4 * all.length));
      expect(floats).toEqual(Float32Array.from(all, numberOf));
      expect(floats.every((value, i) => Object.is(value, numberOf(i)))).toBe(true);
    });

    test('floats become the nearest halves', async () => {
      const patterns: number[] = [];
      const word = new DataView(new ArrayBuffer(4));
      const bitsOfFloat = (x: number) => {
        word.setFloat32(0, x);
        return word.getUint32(0);
      };
      // Every half, every middle between two, and the floats beside them. What comes after the largest half: had exponents gone on.
      for (let half = 0; half < 0x7c00; half++) {
        const next = half === 0x7bff ? 65_536 : numberOf(half + 1);
        for (const x of [numberOf(half), (numberOf(half) + next) / 2]) {
          const bits = bitsOfFloat(x);
          patterns.push(bits, bits + 1, Math.max(0, bits - 1));
        }
      }
      // Floats of every exponent, infinities and NaN too; and the ends of each.
      for (let exponent = 0; exponent < 256; exponent++) {
        for (let i = 0; i < 64; i++) patterns.push((exponent << 23) | ((i * 0x9e3779b1) & 0x7fffff));
        patterns.push(exponent << 23, (exponent << 23) | 1, (exponent << 23) | 0x7fffff);
      }
      const words = Uint32Array.from([...patterns, ...patterns.map((bits) => bits | 0x80000000)]);
      const floats = new Float32Array(words.buffer);
      const stored = toFloat16(gpu, gpu.upload(new Int32Array(words.buffer)), words.length);
      const found = new Uint16Array(await gpu.download(stored, 2 * words.length));
      const wrong = Array.from(words.keys()).filter((i) => {
        const nan = Number.isNaN(floats[i]);
        return found[i] !== (nan ? ((words[i] >>> 31) << 15) | 0x7e00 : bitsOf(floats[i]));
      });
      expect(wrong.map((i) => [floats[i], found[i]])).toEqual([]);
    });
  });

  test.each([1, 2, 3, 4, 5, 63, 64, 129, 1026])('%d numbers', async (size) => {
    const x = draw(backend, [size]);
    const half = backend.toFloat16(x);
    expect([half.shape, half.dtype]).toEqual([[size], 'float']);
    const [given, stored] = await read(x, half);
    expect(given).toEqual(numbers(size));
    expect(stored).toEqual(numbers(size).map(rounded));
  });

  test('more numbers than a binding holds, some at a time', async () => {
    // Two pieces of 384 numbers and a rest of no whole four.
    const [most, rest] = [384, 37];
    bindingTuning.bytes = 4 * most + 100;
    try {
      const x = draw(backend, [2 * most + rest]);
      await backend.submit();
      const half = backend.toFloat16(x);
      expect(await half.read()).toEqual(numbers(2 * most + rest).map(rounded));
      free(x, half);
    } finally {
      bindingTuning.bytes = Number.POSITIVE_INFINITY;
    }
  });

  test('what is too large becomes infinite', async () => {
    const x = tensor(backend, [65_504, -65_520, 1e30, -0]);
    const { POSITIVE_INFINITY: most, NEGATIVE_INFINITY: least } = Number;
    const [found] = await read(backend.toFloat16(x));
    expect(found).toEqual(Float32Array.of(65_504, least, most, -0));
    free(x);
  });

  test('takes half the memory', () => {
    const size = 1000 * 1001;
    // Buffers are whole blocks of 256 bytes.
    const bytesOf = (each: number) => Math.ceil((each * size) / 256) * 256;
    const x = draw(backend, [1000, 1001]);
    expect(backend.memory().bytes - before.bytes).toBe(bytesOf(4));
    const half = backend.toFloat16(x);
    expect(backend.memory().bytes - before.bytes).toBe(bytesOf(4) + bytesOf(2));
    x.assign(half);
    expect(backend.memory().bytes - before.bytes).toBe(bytesOf(2));
    free(x);
  });

  test('a buffer that held halves holds floats for its next owner', async () => {
    const size = 2048;
    const x = draw(backend, [2 * size]);
    const half = backend.toFloat16(x);
    const buffer = bufferOf(half);
    expect(buffer.half).toBe(true);
    free(half);
    const floats = draw(backend, [1, size]);
    const again = affine(floats, 2);
    expect(bufferOf(again).gpu).toBe(buffer.gpu);
    expect(bufferOf(again).half).toBe(false);
    const [values, product] = await read(affine(again, 1), matmul(again, again, false, true));
    expect(values).toEqual(numbers(size).map((value) => 2 * value));
    const norm = numbers(size).reduce((total, value) => total + 4 * value * value, 0);
    expect(Math.abs(product[0] / norm - 1)).toBeLessThan(1e-5);
    free(x, floats, again);
  });

  test('views, and a copy of a copy, show one buffer', async () => {
    const { half, float } = both(backend, [6, 7]);
    const [view, again] = [reshape(half, [7, 6]), backend.toFloat16(half)];
    expect(again.sharesStorage(half)).toBe(true);
    free(half);
    const [shown, copied, product] = await read(view, again, matmul(view, float));
    expect(shown).toEqual(numbers(42).map(rounded));
    expect(copied).toEqual(shown);
    const reshaped = tensor(backend, shown, [7, 6]);
    expect([product]).toEqual(await read(matmul(reshaped, float)));
    free(float, reshaped);
  });

  test('a copy does not follow its original', async () => {
    const x = draw(backend, [9]);
    const half = backend.toFloat16(x);
    x.assign(fill(backend, [9], 3));
    expect(await half.read()).toEqual(numbers(9).map(rounded));
    free(x, half);
  });

  test('of memory that was adopted, and delivered as floats', async () => {
    // 28 bytes are copied when adopted, 64 read in place; the same for delivery.
    for (const size of [7, 16]) {
      const usages = usage.STORAGE | usage.COPY_SRC | usage.COPY_DST;
      const [from, to] = [0, 1].map(() => backend.device.createBuffer({ size: 4 * size, usage: usages }));
      backend.device.queue.writeBuffer(from, 0, numbers(size));
      const x = backend.adopt(from, [size]);
      const half = backend.toFloat16(x);
      backend.deliver([[half, to]]);
      expect(half.disposed).toBe(true);
      const shown = backend.adopt(to, [size]);
      expect(await shown.read()).toEqual(numbers(size).map(rounded));
      free(x, shown);
      from.destroy();
      to.destroy();
    }
  });

  test('what it does not take', async () => {
    const integers = indices(backend, [1, 2]);
    expect(() => backend.toFloat16(integers)).toThrow(ValueError);
    const elsewhere = tensor(float64Backend(), [1]);
    expect(() => backend.toFloat16(elsewhere)).toThrow(/another backend \(float64\)/);
    const x = draw(backend, [3]);
    free(x);
    expect(() => backend.toFloat16(x)).toThrow(TensorUseError);
    free(integers, elsewhere);
  });

  describe('is read in place, with the bits of the same numbers in float32', () => {
    /** Results of a run on what is stored in float16, and on the same numbers in float32; neither leaves anything. */
    const compare = async (shape: Shape, run: (stored: Tensor) => readonly Tensor[]) => {
      const { half, float } = both(backend, shape);
      const [found, expected] = [await read(...run(half)), await read(...run(float))];
      expect(found).toEqual(expected);
      expect(found.some((values) => values.some((value) => value !== 0))).toBe(true);
      free(half, float);
    };

    test.each([
      [1, 1, 1],
      [1, 7, 5],
      [3, 12, 8],
      [8, 33, 65],
      [40, 300, 3],
    ])('linear, %d x %d times %d rows', async (m, k, n) => {
      const [x, bias] = [draw(backend, [m, k], 1), draw(backend, [n], 2)];
      await compare([n, k], (weight) => [linear(x, weight), linear(x, weight, bias)]);
      free(x, bias);
    });

    test.each([
      [false, false],
      [false, true],
      [true, false],
    ])('matmul, transposed %s and %s', async (transposeA, transposeB) => {
      const [batch, m, n, k] = [3, 5, 7, 9];
      const a = transposeA ? [batch, k, m] : [batch, m, k];
      const b = transposeB ? [batch, n, k] : [batch, k, n];
      const [x, y] = [draw(backend, a, 1), draw(backend, b, 2)];
      await compare(a, (half) => [matmul(half, y, transposeA, transposeB)]);
      await compare(b, (half) => [matmul(x, half, transposeA, transposeB)]);
      free(x, y);
      await compare([5, 9], (half) => [matmul(half, half, false, true)]);
    });

    test.each([
      [5, 3],
      [4, 8],
      [300, 1],
    ])('gather from [%d, %d]', async (rows, width) => {
      const at = indices(backend, [rows - 1, 0, 2, -1, rows, 1, 1], [7]);
      await compare([rows, width], (table) => [gather(table, at)]);
      free(at);
    });

    test('weighted cross entropy of logits, with gradients', async () => {
      const [rows, width, words] = [6, 5, 11];
      const x = draw(backend, [rows, width], 1);
      const targets = indices(backend, [3, 10, 0, 7, 7, 2]);
      const weights = fill(backend, [rows], 0.25);
      await compare([words, width], (weight) => {
        const { outputs, pullback } = vjp(() => [weightedLinearCrossEntropy(x, weight, targets, weights)], [x, weight]);
        const seed = fill(backend, [], 1);
        const gradients = pullback([seed]);
        free(seed);
        return [...outputs, ...gradients];
      });
      free(x, targets, weights);
    });

    test('gradients through a weight', async () => {
      const x = draw(backend, [3, 6], 1);
      const seed = draw(backend, [3, 5], 2);
      await compare([5, 6], (weight) => {
        const { outputs, pullback } = vjp(() => [linear(x, weight)], [x, weight]);
        return [...outputs, ...pullback([seed])];
      });
      free(x, seed);
    });

    test.skipIf(!backend.device.features.has('timestamp-query'))('without a kernel that expands it', async () => {
      const { half, float } = both(backend, [8, 4]);
      const [x, more, at] = [draw(backend, [2, 4]), draw(backend, [9, 4]), indices(backend, [1])];
      await backend.submit();
      free(linear(x, half), linear(more, half), matmul(half, half, true), gather(half, at));
      const names = (await backend.submitTimed(true)).map(({ name }) => name);
      expect(names).toEqual(['few rows 1 b16', 'matmul1 b16', 'matmul1 a16 b16', 'indexing b16']);
      free(half, float, x, more, at);
    });
  });

  describe('is expanded for everything else', () => {
    // Its table of angles stays.
    beforeAll(() => free(scope(() => rotary(draw(backend, [1, 5, 2, 4]), { dimensions: 4, base: 100, offset: 1 }))));
    const other = (...shape: number[]) => draw(backend, shape, 3);
    const runs: Readonly<Record<string, readonly [Shape, (x: Tensor) => readonly Tensor[]]>> = {
      unary: [[5, 7], (x) => [exp(x)]],
      affine: [[5, 7], (x) => [affine(x, 3, 1)]],
      binary: [[5, 7], (x) => [mul(x, x), mul(x, other(7)), mul(other(2, 5, 7), x)]],
      'binary, the derivative of a function': [[5, 7], (x) => vjp(() => [gelu(x)], [x]).pullback([other(5, 7)])],
      broadcast: [[5, 1], (x) => [broadcastTo(x, [3, 5, 4])]],
      transpose: [[5, 7], (x) => [transpose(x, [1, 0])]],
      slice: [[5, 7], (x) => [slice(x, 1, 2, 5)]],
      pad: [[5, 7], (x) => [pad(x, 0, 1, 2)]],
      concat: [[5, 7], (x) => [concat([x, other(2, 7), x], 0)]],
      reduce: [[5, 7], (x) => [sum(x, [0]), sum(x)]],
      scatterAdd: [[3, 7], (x) => [scatterAdd(indices(backend, [1, 4, 1]), x, 6)]],
      'linear, its bias': [[7], (x) => [linear(other(2, 3), other(7, 3), x)]],
      l2Normalize: [[5, 7], (x) => [l2Normalize(x)]],
      layerNorm: [[7], (x) => [layerNorm(other(3, 7), x, x)]],
      rmsNorm: [[7], (x) => [rmsNorm(other(3, 7), x)]],
      rotary: [[1, 5, 2, 4], (x) => [rotary(x, { dimensions: 4, base: 100, offset: 1 })]],
      linearAttention: [[1, 5, 2, 4], (x) => [linearAttention(x, other(1, 5, 2, 4), x, { normalize: 'l2' }).output]],
      softmaxAttention: [[1, 5, 2, 4], (x) => [softmaxAttention(other(1, 5, 2, 4), x, x)]],
      crossEntropy: [[3, 7], (x) => [crossEntropy(x, indices(backend, [1, 6, 0]))]],
      linearCrossEntropy: [[7, 4], (x) => [linearCrossEntropy(other(3, 4), x, indices(backend, [1, 6, 0]))]],
      squaredNorm: [[5, 7], (x) => [squaredNorm([x, other(3), x])]],
    };
    test.each(Object.entries(runs))('%s', async (_, [shape, run]) => {
      const { half, float } = both(backend, shape);
      const [found, expected] = [await read(...scope(() => run(half))), await read(...scope(() => run(float)))];
      expect(found).toEqual(expected);
      expect(found.some((values) => values.some((value) => value !== 0))).toBe(true);
      expect(await half.read()).toEqual(await float.read());
      free(half, float);
    });
  });

  describe('in AdamW', () => {
    const rates = { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, learningRate: 3e-2, step: 1, weightDecay: [0, 0] };
    const groupOf = (i: number) => ({
      parameter: draw(backend, [5, 3], i),
      gradient: draw(backend, [5, 3], i + 2),
      moment1: draw(backend, [5, 3], i + 4),
      moment2: fill(backend, [5, 3], 1),
    });
    type Name = keyof ReturnType<typeof groupOf>;
    const update = (groups: readonly ReturnType<typeof groupOf>[]) => {
      const scale = fill(backend, [], 1);
      try {
        adamW(groups, scale, rates);
      } finally {
        free(scale);
      }
    };

    test.each<[Name, string]>([
      ['parameter', 'the parameter'],
      ['moment1', 'the first moment'],
      ['moment2', 'the second moment'],
    ])('%s is refused, and nothing changes', async (name, words) => {
      const groups = [groupOf(0), groupOf(1)];
      const target = groups[1][name];
      target.assign(backend.toFloat16(target));
      const all = groups.flatMap((group) => Object.values(group));
      const values = () => Promise.all(all.map((each) => each.read()));
      const start = await values();
      const { buffers, bytes } = backend.memory();
      expect(() => update(groups)).toThrow(TensorUseError);
      expect(() => update(groups)).toThrow(`adamW: group 1: ${words} is stored in float16`);
      expect(() => update(groups)).toThrow(/toFloat16/);
      expect(backend.memory()).toMatchObject({ buffers, bytes });
      expect(await values()).toEqual(start);
      free(...all);
    });

    test('a gradient is expanded', async () => {
      const found = [];
      for (const stored of ['half', 'float'] as const) {
        const groups = [groupOf(0), groupOf(1)];
        const gradient = both(backend, [5, 3], 9);
        free(groups[0].gradient);
        groups[0].gradient = gradient[stored];
        update(groups);
        found.push(await read(...groups.flatMap(({ parameter, moment1, moment2 }) => [parameter, moment1, moment2])));
        free(gradient.half, gradient.float, groups[1].gradient);
      }
      expect(found[0]).toEqual(found[1]);
    });

    test('what it has updated, a part of a larger buffer, is stored in float16 all the same', async () => {
      const groups = [groupOf(0), groupOf(1)];
      update(groups);
      const { parameter } = groups[1];
      expect(bufferOf(parameter).whole).toBeDefined();
      const [half] = await read(backend.toFloat16(parameter));
      expect(half).toEqual((await parameter.read()).map(rounded));
      free(...groups.flatMap((group) => Object.values(group)));
    });
  });
});

// Kernels as GPUs get them: vec2u, two words at a time. Software adapters take long to compile these.
const written = missing ? missing : await open({ unroll: true });
describe.skipIf(typeof written === 'string')('written-out kernels', () => {
  if (typeof written === 'string') return;
  afterAll(() => written.dispose());

  // Few rows, as in decoding; and few terms: neither need be a multiple of four where rows of what is stored are.
  test.each([
    ['NT', [3, 36], [40, 36]],
    ['NN', [3, 36], [36, 40]],
    ['TN', [35, 8], [35, 40]],
    // Where they are not, numbers come one by one.
    ['NN', [4, 36], [36, 39]],
    ['TN', [36, 7], [36, 40]],
  ] as const)('%s, %j times %j: by fours as one by one, and as float32', async (form, left, right) => {
    const run = async (on: WebgpuBackend) => {
      const x = draw(on, left, 1);
      const { half, float } = both(on, right);
      const product = (stored: Tensor) => matmul(x, stored, form === 'TN', form === 'NT');
      const results = [product(half), product(float)];
      const found = await Promise.all(results.map((each) => each.read()));
      for (const each of [x, half, float, ...results]) each.dispose();
      expect(found[0]).toEqual(found[1]);
      return found[0];
    };
    expect(await run(written)).toEqual(await run(backend as WebgpuBackend));
  });

  test('are valid in every form', async () => {
    const { device } = written;
    device.pushErrorScope('validation');
    for (const [m, n, k] of [
      [1, 64, 32],
      [3, 5, 7],
      [100, 100, 100],
      [2048, 2048, 64],
    ]) {
      const of = (rows: number, columns: number) => both(written, [rows, columns]);
      const forms = [
        [false, false],
        [false, true],
        [true, false],
      ];
      for (const [a, b] of forms) {
        const [x, y] = [a ? of(k, m) : of(m, k), b ? of(n, k) : of(k, n)];
        for (const left of [x.half, x.float]) matmul(left, y.half, a, b).dispose();
        matmul(x.half, y.float, a, b).dispose();
        for (const each of [x, y]) for (const stored of Object.values(each)) stored.dispose();
      }
    }
    expect((await device.popErrorScope())?.message).toBeUndefined();
  });
});
