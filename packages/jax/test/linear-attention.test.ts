import './navigator.ts';
import { grad, type Array as JaxArray, jit, numpy, vmap } from '@jax-js/jax';
import * as math from '@linattn/math';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  dispose,
  type LinearAttentionOptions,
  linearAttention,
  linearAttentionVjp,
  linearAttentionWithState,
  linearAttentionWithStateVjp,
  ready,
} from '../src/index.ts';
import { type Drawn, draw, inFloat64, inJax, oracle, relativeError } from './support.ts';

const [B, N, H, D, V] = [2, 37, 3, 8, 5];
const drawn = { q: draw([B, N, H, D], 1), k: draw([B, N, H, D], 2), v: draw([B, N, H, V], 3) };
const dO = draw([B, N, H, V], 4);
const l2 = { normalize: 'l2' } as const;

/** States of tokens that really were: with any numbers denominators could vanish. */
function stateOf(options: math.LinearAttentionOptions): Drawn {
  const [q, k, v] = [drawn.q, drawn.k, drawn.v].map((each, i) => inFloat64(draw(each.shape, 5 + i)));
  const { state } = math.linearAttention(q, k, v, { ...options, returnState: true });
  return { shape: state!.shape, values: Float32Array.from(oracle.downloadSync!(state!.handle, state!)) };
}

interface Case {
  readonly name: string;
  readonly plain: Omit<
    math.LinearAttentionOptions & LinearAttentionOptions,
    'coefficients' | 'initialState' | 'keyWeights'
  >;
  readonly tensors?: { readonly [name in 'coefficients' | 'initialState' | 'keyWeights']?: Drawn };
}

const keyWeights: Drawn = {
  shape: [B, N, H],
  values: draw([B, N, H], 8).values.map((x, i) => (i < 3 || x > -0.4 ? 1 : 0)),
};
const cases: Case[] = [
  { name: 'l2', plain: l2 },
  { name: 'bidirectional of order 2', plain: { a: 1, b: 0.3, c: 0.2, mask: 'bidirectional' } },
  { name: 'prefix with key weights', plain: { ...l2, mask: 'prefix', prefix: 9 }, tensors: { keyWeights } },
  {
    name: 'learned, of order 2, from a state',
    plain: { order: 2, ...l2 },
    tensors: {
      coefficients: { shape: [3], values: Float32Array.of(1, 0.5, 0.25) },
      initialState: stateOf({ c: 0.25, ...l2 }),
    },
  },
];

beforeAll(() => ready());
afterAll(() => dispose());

const toJax = <T extends Record<string, Drawn>>(all: T) =>
  Object.fromEntries(Object.entries(all).map(([name, each]) => [name, inJax(each)])) as { [name in keyof T]: JaxArray };

test.each(cases)(
  '$name: outputs and gradients are those of float64, arguments are consumed',
  async ({ plain, tensors = {} }) => {
    const exact = Object.fromEntries(
      Object.entries({ ...drawn, ...tensors }).map(([name, each]) => [name, inFloat64(each)]),
    );
    const names = Object.keys(exact).filter((name) => name !== 'keyWeights');
    const { q: q64, k: k64, v: v64, ...rest64 } = exact;
    let dState: Drawn | undefined;
    const { outputs, pullback } = math.vjp(
      () => {
        const { output, state } = math.linearAttention(q64, k64, v64, { ...plain, ...rest64, returnState: true });
        dState = draw(state!.shape, 9);
        return [output, state!];
      },
      names.map((name) => exact[name]),
    );
    const expected = await Promise.all(pullback([inFloat64(dO), inFloat64(dState!)]).map((each) => each.read()));

    const given = toJax({ ...drawn, ...(tensors as Record<string, Drawn>) }) as Record<string, JaxArray>;
    const { q, k, v, ...rest } = given;
    const [{ output, state }, pull] = linearAttentionWithStateVjp(q, k, v, { ...plain, ...rest });
    expect(Object.values(given).map((each) => each.refCount)).toEqual(Object.values(given).map(() => 0));
    expect(output.shape).toEqual(outputs[0].shape);
    expect(relativeError(output.dataSync(), await outputs[0].read())).toBeLessThan(1e-5);
    expect(relativeError(state.dataSync(), await outputs[1].read())).toBeLessThan(1e-5);

    const upstream = { output: inJax(dO), state: inJax(dState!) };
    const gradients = pull(upstream) as unknown as Record<string, JaxArray>;
    expect([upstream.output.refCount, upstream.state.refCount]).toEqual([0, 0]);
    expect(Object.keys(gradients)).toEqual(names);
    for (const [i, name] of names.entries()) {
      expect(gradients[name].shape).toEqual(exact[name].shape);
      expect(gradients[name].refCount).toBe(1);
      expect(relativeError(gradients[name].dataSync(), expected[i]), name).toBeLessThan(1e-5);
    }
  },
);

describe('references', () => {
  test('an argument passed as .ref stays with its owner', () => {
    const { q, k, v } = toJax(drawn);
    const first = linearAttention(q.ref, k.ref, v.ref, l2);
    expect([q.refCount, k.refCount, v.refCount, first.refCount]).toEqual([1, 1, 1, 1]);
    const second = linearAttention(q, k, v, l2);
    expect([q.refCount, k.refCount, v.refCount]).toEqual([0, 0, 0]);
    expect(second.dataSync()).toEqual(first.dataSync());
  });

  test('one array in two places needs two references, as everywhere in jax-js', () => {
    const { q, v } = toJax(drawn);
    const o = linearAttention(q.ref, q, v, l2);
    expect([q.refCount, v.refCount]).toEqual([0, 0]);
    o.dispose();
  });

  test('a call that throws consumes nothing', () => {
    const { q, k, v } = toJax(drawn);
    expect(() => linearAttention(q, v, k, l2)).toThrow(/^k: /);
    expect(() => linearAttention(q, k, v, { a: -1, b: 0, strict: true })).toThrow(/^g: /);
    expect([q.refCount, k.refCount, v.refCount]).toEqual([1, 1, 1]);
    const [o, pull] = linearAttentionVjp(q, k, v, l2);
    const wrong = inJax(drawn.q);
    expect(() => pull(wrong)).toThrow(/^upstream.output: /);
    expect(wrong.refCount).toBe(1);
    for (const each of [o, wrong]) each.dispose();
  });

  test('a pullback may run twice, and not after it was disposed', () => {
    const { q, k, v } = toJax(drawn);
    const [o, pull] = linearAttentionVjp(q, k, v, l2);
    const [first, second] = [pull(inJax(dO)), pull(inJax(dO))];
    expect(second.q.dataSync()).toEqual(first.q.dataSync());
    pull.dispose();
    expect(() => pull(inJax(dO))).toThrow(math.TensorUseError);
    for (const each of [o, first.k, first.v, second.k, second.v]) each.dispose();
  });
});

test('two chunks joined by a state are one sequence', () => {
  const { q, k, v } = toJax(drawn);
  const whole = linearAttention(q.ref, k.ref, v.ref, l2);
  const cut = (x: JaxArray) => numpy.split(x, [20], 1);
  const [[q1, q2], [k1, k2], [v1, v2]] = [cut(q), cut(k), cut(v)];
  const { output, state } = linearAttentionWithState(q1, k1, v1, l2);
  const joined = numpy.concatenate([output, linearAttention(q2, k2, v2, { ...l2, initialState: state })], 1);
  expect(relativeError(joined.dataSync(), whole.dataSync())).toBeLessThan(1e-5);
});

describe('errors', () => {
  const failing = (code: string, message: RegExp, what: (q: JaxArray, k: JaxArray, v: JaxArray) => unknown) => {
    const { q, k, v } = toJax(drawn);
    let error: unknown;
    try {
      what(q, k, v);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(math.LinattnError);
    expect((error as math.LinattnError).code).toBe(code);
    expect((error as Error).message).toMatch(message);
  };

  test('of arguments, by name', () => {
    failing('SHAPE', /^v: /, (q, k, v) => linearAttention(q, k, v.reshape([B, N, H * V])));
    failing('VALUE', /^q: .*int32/, (q, k, v) => linearAttention(q.astype(numpy.int32), k, v));
    failing('VALUE', /^k: /, (q, _, v) => linearAttention(q, 3 as never, v));
    failing('VALUE', /^mask: /, (q, k, v) => linearAttention(q, k, v, { mask: 'full' as 'causal' }));
    failing('UNSUPPORTED', /^gpu: /, (q, k, v) =>
      linearAttention(q, k, v, { backend: { ...oracle, name: 'gpu', downloadSync: undefined } }),
    );
  });

  test('inside a transformation of jax-js, saying what to do instead', () => {
    const message = /^jax-js: q: linearAttention inside grad, .*linearAttentionVjp/;
    failing('UNSUPPORTED', message, (q, k, v) => grad((x: JaxArray) => linearAttention(x, k, v).sum())(q));
    failing('UNSUPPORTED', message, (q, k, v) => jit((x: JaxArray) => linearAttention(x, k, v))(q));
    failing('UNSUPPORTED', message, (q, k, v) => vmap((x: JaxArray) => linearAttention(x, k, v))(q));
  });

  test('before ready', async () => {
    await dispose();
    failing('DEVICE', /await ready\(\)/, (q, k, v) => linearAttention(q, k, v));
    await ready();
  });
});
