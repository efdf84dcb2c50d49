import { describe, expect, test } from 'vitest';
import { float64Backend } from '../src/float64/index.ts';
import { attendBackward, attendForward, type HostArray, SharedBackend } from '../src/host/index.ts';
import {
  type Backend,
  DenominatorError,
  DeviceError,
  type LinearAttentionOptions,
  linearAttention,
  random,
  ShapeError,
  type Tensor,
  tensor,
  UnsupportedError,
  ValueError,
  vjp,
} from '../src/index.ts';

const backend = float64Backend();
const [B, N, H, D, V] = [2, 7, 2, 3, 4];

const draw = (stream: number, shape: readonly number[]): Tensor =>
  random(backend, { shape, distribution: 'normal', key: [3, 4], stream: [stream, 0] });
const hosted = (x: Tensor): HostArray => ({
  shape: x.shape,
  values: backend.downloadSync!(x.handle, x) as Float64Array,
});

const [q, k, v] = [draw(0, [B, N, H, D]), draw(1, [B, N, H, D]), draw(2, [B, N, H, V])];
const dO = draw(3, [B, N, H, V]);
const state = (order: 1 | 2) => draw(4, [B, H, 1 + D + (order === 2 ? D * D : 0), V + 1]);
const keyWeights = tensor(
  backend,
  Array.from({ length: B * N * H }, (_, i) => (i % 5 === 1 ? 0 : 1)),
  [B, N, H],
);

const cases: [string, LinearAttentionOptions][] = [
  ['defaults', {}],
  ['l2', { normalize: 'l2' }],
  ['order 2, bidirectional', { a: 1, b: 0.5, c: 0.25, mask: 'bidirectional' }],
  ['prefix, key weights', { mask: 'prefix', prefix: 3, normalize: 'l2', keyWeights }],
  [
    'learned, with states',
    { coefficients: tensor(backend, [1, 0.4, 0.2]), order: 2, initialState: state(2), returnState: true },
  ],
  ['numbers, with states', { a: 2, b: 0.5, initialState: state(1), returnState: true }],
];

test.each(cases)('%s: values and gradients of linearAttention, and nothing left behind', (_, options) => {
  const { coefficients, initialState, keyWeights, ...plain } = options;
  const wrt = [q, k, v, ...(coefficients ? [coefficients] : []), ...(initialState ? [initialState] : [])];
  const { outputs, pullback } = vjp(() => {
    const { output, state } = linearAttention(q, k, v, options);
    return state ? [output, state] : [output];
  }, wrt);
  const seeds = [dO, ...outputs.slice(1).map(({ shape }) => draw(5, shape))];
  const expected = pullback(seeds);

  const inputs = {
    q: hosted(q),
    k: hosted(k),
    v: hosted(v),
    coefficients: coefficients && hosted(coefficients),
    initialState: initialState && hosted(initialState),
    keyWeights: keyWeights && hosted(keyWeights),
  };
  const before = backend.memory();
  const forward = attendForward(backend, inputs, plain);
  const upstream = { output: hosted(dO), state: seeds[1] && hosted(seeds[1]) };
  const gradients = attendBackward(backend, inputs, forward, upstream, plain);
  expect(backend.memory()).toEqual(before);

  expect(forward.output).toEqual(hosted(outputs[0]));
  expect(forward.state).toEqual(outputs[1] && hosted(outputs[1]));
  const given = [gradients.q, gradients.k, gradients.v];
  if (coefficients) given.push(gradients.coefficients);
  if (initialState) given.push(gradients.initialState!);
  expect(given).toEqual(expected.map(hosted));
  expect(gradients.coefficients.shape).toEqual([3]);
});

test('a call inside a tape and a scope of the caller touches neither', () => {
  const inputs = { q: hosted(q), k: hosted(k), v: hosted(v) };
  const { savedElements, dispose } = vjp(() => {
    attendForward(backend, inputs);
    return [linearAttention(q, k, v).output];
  }, [q]);
  const alone = vjp(() => [linearAttention(q, k, v).output], [q]);
  expect(savedElements([q, k, v])).toBe(alone.savedElements([q, k, v]));
  dispose();
  alone.dispose();
});

describe('errors', () => {
  const inputs = { q: hosted(q), k: hosted(k), v: hosted(v) };
  const failing = (what: () => unknown, kind: abstract new (...args: never) => Error, message: RegExp) => {
    const before = backend.memory();
    expect(what).toThrow(kind);
    expect(what).toThrow(message);
    expect(backend.memory()).toEqual(before);
  };

  test('of shapes and options, by name', () => {
    failing(() => attendForward(backend, { ...inputs, k: hosted(dO) }), ShapeError, /^k: /);
    failing(() => attendForward(backend, { ...inputs, q: { ...inputs.q, shape: [2, 2, 2] } }), ShapeError, /^q: /);
    failing(() => attendForward(backend, inputs, { mask: 'casual' as 'causal' }), ValueError, /^mask: /);
    failing(() => attendForward(backend, inputs, { c: Number.NaN }), ValueError, /^c: /);
    const forward = attendForward(backend, inputs);
    failing(() => attendBackward(backend, inputs, forward, { output: inputs.q }), ShapeError, /^upstream.output: /);
  });

  test('of a backend that only reads asynchronously', () => {
    const slow: Backend = { ...backend, name: 'slow', downloadSync: undefined };
    failing(() => attendForward(slow, inputs), UnsupportedError, /^slow: .*downloadSync/);
  });

  test('strict: at once, for g <= 0 and for NaN', () => {
    const values = inputs.q.values.map((x) => -9 * Math.abs(x));
    const k = { ...inputs.k, values: inputs.k.values.map(Math.abs) };
    failing(
      () => attendForward(backend, { ...inputs, q: { ...inputs.q, values }, k }, { strict: true }),
      DenominatorError,
      /-/,
    );
    const lost = { ...inputs.q, values: inputs.q.values.map((x, i) => (i === 5 ? Number.NaN : x)) };
    failing(
      () => attendForward(backend, { ...inputs, q: lost }, { strict: true, normalize: 'l2' }),
      DenominatorError,
      /NaN/,
    );
    expect(attendForward(backend, inputs, { strict: true, normalize: 'l2' }).output.shape).toEqual([B, N, H, V]);
  });
});

describe('a shared backend', () => {
  test('opens once, tells what to do before, and opens another after dispose', async () => {
    let opened = 0;
    const shared = new SharedBackend(async () => {
      opened++;
      return float64Backend();
    });
    expect(() => shared.get()).toThrow(DeviceError);
    const [first, second] = await Promise.all([shared.ready(), shared.ready()]);
    expect(first).toBe(second);
    expect(shared.get()).toBe(first);
    expect(opened).toBe(1);
    await shared.dispose();
    expect(() => shared.get()).toThrow(/await ready\(\)/);
    expect(await shared.ready()).not.toBe(first);
    expect(opened).toBe(2);
  });

  test('that failed to open may be tried again', async () => {
    let fail = true;
    const shared = new SharedBackend(async () => {
      if (fail) throw new DeviceError('no');
      return float64Backend();
    });
    await expect(shared.ready()).rejects.toThrow('no');
    fail = false;
    expect((await shared.ready()).name).toBe('float64');
  });
});
