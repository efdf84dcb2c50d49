import * as math from '@linattn/math';
import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  dispose,
  type LinearAttentionOptions,
  linearAttention,
  linearAttentionWithState,
  ready,
} from '../src/index.ts';
import { type Drawn, draw, frameworks, inFloat64, inTensorFlow, oracle, relativeError, use } from './support.ts';

const [B, N, H, D, V] = [2, 37, 3, 8, 5];
const shapes = { q: [B, N, H, D], k: [B, N, H, D], v: [B, N, H, V] };
const drawn = { q: draw(shapes.q, 1), k: draw(shapes.k, 2), v: draw(shapes.v, 3) };
const dO = draw([B, N, H, V], 4);
const stateShape = (order: 1 | 2) => [B, H, 1 + D + (order === 2 ? D * D : 0), V + 1];
/** States of tokens that really were: any numbers would not do, as denominators could vanish. */
const initialState = (options: math.LinearAttentionOptions): Drawn => {
  const [q, k, v] = [5, 6, 7].map((seed, i) => inFloat64(draw(i === 2 ? shapes.v : shapes.q, seed)));
  const { state } = math.linearAttention(q, k, v, { ...options, returnState: true });
  const values = Float32Array.from(oracle.downloadSync!(state!.handle, state!));
  return { shape: state!.shape, values };
};

interface Case {
  readonly name: string;
  readonly plain: math.LinearAttentionOptions & LinearAttentionOptions;
  readonly tensors?: { readonly [name in 'coefficients' | 'initialState' | 'keyWeights']?: Drawn };
}

const keyWeights: Drawn = {
  shape: [B, N, H],
  values: draw([B, N, H], 8).values.map((x, i) => (i < 3 || x > -0.4 ? 1 : 0)),
};
const l2 = { normalize: 'l2' } as const;
const cases: Case[] = [
  { name: 'l2', plain: l2 },
  { name: 'bidirectional of order 2', plain: { a: 1, b: 0.3, c: 0.2, mask: 'bidirectional' } },
  { name: 'prefix with key weights', plain: { ...l2, mask: 'prefix', prefix: 9 }, tensors: { keyWeights } },
  {
    name: 'learned, of order 2, from a state',
    plain: { order: 2, ...l2 },
    tensors: {
      coefficients: { shape: [3], values: Float32Array.of(1, 0.5, 0.25) },
      initialState: initialState({ c: 0.25, ...l2 }),
    },
  },
];

beforeAll(() => ready());
afterAll(() => dispose());

describe.each(frameworks)('on tfjs %s', (framework) => {
  beforeAll(() => use(framework));

  test.each(cases)(
    '$name: output and gradients are those of float64, nothing leaks',
    async ({ plain, tensors = {} }) => {
      const names = ['q', 'k', 'v', ...Object.keys(tensors).filter((name) => name !== 'keyWeights')];
      const all: Record<string, Drawn> = { ...drawn, ...tensors };

      const exact = Object.fromEntries(Object.entries(all).map(([name, each]) => [name, inFloat64(each)]));
      const { q, k, v, ...rest } = exact;
      const { outputs, pullback } = math.vjp(
        () => [math.linearAttention(q, k, v, { ...plain, ...rest }).output],
        names.map((name) => exact[name]),
      );
      const expected = pullback([inFloat64(dO)]);

      const given = Object.fromEntries(Object.entries(all).map(([name, each]) => [name, inTensorFlow(each)]));
      const upstream = inTensorFlow(dO);
      const before = tf.memory().numTensors;
      const attend = (...inputs: tf.Tensor[]) => {
        const { q, k, v, ...rest } = { ...given, ...Object.fromEntries(names.map((name, i) => [name, inputs[i]])) };
        return linearAttention(q as tf.Tensor4D, k as tf.Tensor4D, v as tf.Tensor4D, { ...plain, ...rest });
      };
      const inputs = names.map((name) => given[name]);
      const output = attend(...inputs);
      expect(tf.memory().numTensors).toBe(before + 1);
      const gradients = tf.grads(attend)(inputs, upstream);
      expect(tf.memory().numTensors).toBe(before + 1 + names.length);

      expect(output.shape).toEqual(outputs[0].shape);
      expect(relativeError(await output.data(), await outputs[0].read())).toBeLessThan(1e-5);
      for (const [i, gradient] of gradients.entries()) {
        expect(gradient.shape).toEqual(expected[i].shape);
        expect(relativeError(await gradient.data(), await expected[i].read()), names[i]).toBeLessThan(1e-5);
      }
      tf.dispose([...Object.values(given), upstream, output, ...gradients]);
      expect(tf.memory().numTensors).toBe(before - Object.keys(given).length - 1);
    },
  );

  test('two chunks joined by a state are one sequence, in values and in gradients', async () => {
    const [q, k, v] = Object.values(drawn).map((each) => inTensorFlow(each));
    const weights = inTensorFlow(dO);
    const at = 20;
    const before = tf.memory().numTensors;
    const inChunks = (...qkv: tf.Tensor[]) => {
      const part = (x: tf.Tensor, from: number, size: number) =>
        tf.slice(x, [0, from, 0, 0], [-1, size, -1, -1]) as tf.Tensor4D;
      const [first, second] = [0, 1].map((i) => qkv.map((x) => part(x, i * at, i ? N - at : at)));
      const [q1, k1, v1] = first;
      const [q2, k2, v2] = second;
      const { output, state } = linearAttentionWithState(q1, k1, v1, l2);
      expect(state.shape).toEqual(stateShape(1));
      return tf.concat([output, linearAttention(q2, k2, v2, { ...l2, initialState: state })], 1);
    };
    const whole = (...[q, k, v]: tf.Tensor[]) =>
      linearAttention(q as tf.Tensor4D, k as tf.Tensor4D, v as tf.Tensor4D, l2);
    const [split, joined] = [inChunks, whole].map((f) =>
      tf.tidy(() => [f(q, k, v), ...tf.grads(f)([q, k, v], weights)]),
    );
    expect(tf.memory().numTensors).toBe(before + 8);
    for (const [i, each] of split.entries()) {
      expect(relativeError(await each.data(), await joined[i].data())).toBeLessThan(1e-5);
    }
    tf.dispose([q, k, v, weights, ...split, ...joined]);
  });

  test('the backend keeps nothing', async () => {
    const backend = await ready();
    const before = backend.memory();
    tf.tidy(() => {
      const [q, k, v] = Object.values(drawn).map((each) => inTensorFlow(each));
      tf.grad((x) => linearAttention(x as tf.Tensor4D, k, v, l2))(q);
    });
    expect(backend.memory()).toEqual({ ...before, pooledBytes: backend.memory().pooledBytes });
  });
});

describe('with other backends', () => {
  beforeAll(() => use('cpu'));

  test('of linattn: float64 computes between float32 tensors', () =>
    tf.tidy(() => {
      const [q, k, v] = Object.values(drawn).map((each) => inTensorFlow(each));
      const exact = math.linearAttention(
        ...(Object.values(drawn).map(inFloat64) as [math.Tensor, math.Tensor, math.Tensor]),
        l2,
      );
      const given = linearAttention(q, k, v, { ...l2, backend: oracle });
      expect(relativeError(given.dataSync(), oracle.downloadSync!(exact.output.handle, exact.output))).toBeLessThan(
        1e-7,
      );
    }));
});

describe('errors', () => {
  let [q, k, v]: tf.Tensor4D[] = [];
  beforeAll(async () => {
    await use('cpu');
    [q, k, v] = Object.values(drawn).map((each) => inTensorFlow(each));
  });
  const failing = (what: () => unknown, code: string, message: RegExp) => {
    const before = tf.memory().numTensors;
    let error: unknown;
    try {
      what();
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(math.LinattnError);
    expect((error as math.LinattnError).code).toBe(code);
    expect((error as Error).message).toMatch(message);
    expect(tf.memory().numTensors).toBe(before);
  };

  test('of arguments, by name', () => {
    failing(() => linearAttention(q, v, v), 'SHAPE', /^k: /);
    failing(() => linearAttention(q, k, v, { keyWeights: k as never }), 'SHAPE', /^keyWeights: /);
    failing(() => linearAttention(q, k, [1] as never), 'VALUE', /^v: /);
    failing(() => tf.tidy(() => linearAttention(q.toInt(), k, v)), 'VALUE', /^q: .*int32/);
    failing(() => linearAttention(q, k, v, { mask: 'full' as 'causal' }), 'VALUE', /^mask: /);
    failing(() => linearAttention(q, k, v, { radius: 1 }), 'VALUE', /^radius: /);
  });

  test('strict: a denominator <= 0', () => {
    failing(() => linearAttention(q, k, v, { a: -1, b: 0, strict: true }), 'DENOMINATOR', /^g: /);
  });

  test('a backend that only reads asynchronously', () => {
    const backend = { ...oracle, name: 'gpu', downloadSync: undefined };
    failing(() => linearAttention(q, k, v, { backend }), 'UNSUPPORTED', /^gpu: /);
  });

  test('gradients that do not exist: of key weights, and of gradients', () => {
    const ones = tf.ones<tf.Rank.R3>([B, N, H]);
    const message = (f: () => unknown) => {
      try {
        tf.tidy(() => void f());
      } catch (error) {
        return (error as math.LinattnError).code;
      }
      return 'none';
    };
    const ofWeights = tf.grad((m) => linearAttention(q, k, v, { ...l2, keyWeights: m as tf.Tensor3D }));
    expect(message(() => ofWeights(ones))).toBe('MISSING_GRADIENT');
    const first = (x: tf.Tensor) => tf.grad((y) => linearAttention(y as tf.Tensor4D, k, v, l2))(x);
    expect(message(() => first(q))).toBe('none');
    expect(message(() => tf.grad(first)(q))).toBe('MISSING_GRADIENT');
    // Constant weights are no obstacle to the other gradients.
    expect(message(() => tf.grad((x) => linearAttention(x as tf.Tensor4D, k, v, { ...l2, keyWeights: ones }))(q))).toBe(
      'none',
    );
  });

  test('before ready', async () => {
    await dispose();
    failing(() => linearAttention(q, k, v), 'DEVICE', /await ready\(\)/);
    await ready();
    expect(tf.tidy(() => linearAttention(q, k, v, l2).shape)).toEqual([B, N, H, V]);
  });
});
