import { describe, expect, it } from 'vitest';
import * as attention from '../src/attention/index.ts';
import { float64Backend } from '../src/float64/index.ts';
import {
  DenominatorError,
  type LinattnError,
  type LinearAttentionOptions,
  linearAttention,
  NonFiniteError,
  ShapeError,
  sizeOf,
  type Tensor,
  tensor,
  ValueError,
} from '../src/index.ts';
import { normal } from './attention-support.ts';

type NdArray = attention.NdArray;
type ErrorClass = new (...given: never[]) => LinattnError;

const array = (shape: readonly number[], data = 0.1): NdArray => ({
  shape,
  data: new Float64Array(sizeOf(shape)).fill(data),
});
const good = array([1, 4, 2, 3]);

/** The class, code and argument of what `body` throws. */
function expectError(body: () => unknown, type: ErrorClass, argument: string): void {
  let caught: unknown;
  try {
    body();
  } catch (error) {
    caught = error;
  }
  expect(caught, `${argument}: nothing was thrown`).toBeDefined();
  expect(caught).toBeInstanceOf(type);
  expect((caught as LinattnError).argument).toBe(argument);
  expect((caught as LinattnError).message).toContain(argument);
}

type Bad = [string, ErrorClass, NdArray, NdArray, NdArray, attention.AttentionOptions?];
const withValue = (value: number): NdArray => ({ ...good, data: good.data.map((x, i) => (i === 7 ? value : x)) });

const bad: readonly Bad[] = [
  ['q', ShapeError, array([4, 2, 3]), good, good],
  ['k', ShapeError, good, array([4, 2, 3]), good],
  ['v', ShapeError, good, good, array([1, 4, 2, 3, 1])],
  ['k', ShapeError, good, array([1, 4, 2, 5]), good],
  ['k', ShapeError, good, array([1, 5, 2, 3]), array([1, 5, 2, 3])],
  ['k', ShapeError, good, array([2, 4, 2, 3]), good],
  ['v', ShapeError, good, good, array([1, 4, 1, 3])],
  ['v', ShapeError, good, array([1, 5, 2, 3]), good, { mask: 'bidirectional' }],
  ['q', ShapeError, array([1, 0, 2, 3]), good, good],
  ['k', ShapeError, good, array([1, 0, 2, 3]), array([1, 0, 2, 3]), { mask: 'bidirectional' }],
  ['q', ShapeError, array([1, 4, 2, 0]), array([1, 4, 2, 0]), good],
  ['v', ShapeError, good, good, array([1, 4, 2, 0])],
  ['q', ShapeError, { shape: [1, 4, 2, 3], data: new Float64Array(23) }, good, good],
  ['q', ValueError, { shape: [1, 4, 2, 3], data: [1] as unknown as Float64Array }, good, good],
  ['v', ValueError, good, good, undefined as unknown as NdArray],
  ['q', NonFiniteError, withValue(Number.NaN), good, good],
  ['k', NonFiniteError, good, withValue(Number.POSITIVE_INFINITY), good],
  ['v', NonFiniteError, good, good, withValue(Number.NEGATIVE_INFINITY)],
  ['a', ValueError, good, good, good, { a: Number.NaN }],
  ['b', ValueError, good, good, good, { b: Number.POSITIVE_INFINITY }],
  ['c', ValueError, good, good, good, { c: Number.NaN }],
  ['order', ValueError, good, good, good, { c: 1, order: 1 }],
  ['order', ValueError, good, good, good, { order: 3 as 2 }],
  ['mask', ValueError, good, good, good, { mask: 'full' as 'causal' }],
  ['prefix', ValueError, good, good, good, { mask: 'prefix' }],
  ['prefix', ValueError, good, good, good, { mask: 'prefix', prefix: 1.5 }],
  ['prefix', ValueError, good, good, good, { mask: 'prefix', prefix: -1 }],
  ['prefix', ShapeError, good, good, good, { mask: 'prefix', prefix: 5 }],
  ['prefix', ValueError, good, good, good, { mask: 'causal', prefix: 2 }],
  ['normalize', ValueError, good, good, good, { normalize: 'l1' as 'l2' }],
  ['radius', ValueError, good, good, good, { radius: 1 }],
  ['radius', ValueError, good, good, good, { normalize: 'l2', radius: 0 }],
  ['radius', ValueError, good, good, good, { normalize: 'l2', a: -1 }],
  ['keyWeights', ShapeError, good, good, good, { keyWeights: array([1, 4, 3]) }],
  ['keyWeights', NonFiniteError, good, good, good, { keyWeights: array([1, 4, 2], Number.NaN) }],
  ['initialState', ShapeError, good, good, good, { initialState: array([1, 2, 13, 4]) }],
  ['initialState', ShapeError, good, good, good, { initialState: array([1, 2, 4, 4]), c: 1 }],
  ['initialState', NonFiniteError, good, good, good, { initialState: array([1, 2, 4, 4], Number.NaN) }],
];

describe('array forms: every bad argument is a typed error that names it', () => {
  const forms = { naive: attention.naive, factorised: attention.factorised };
  for (const [name, form] of Object.entries(forms)) {
    it(`${name}`, () => {
      for (const [argument, type, q, k, v, options] of bad) expectError(() => form(q, k, v, options), type, argument);
    });
  }

  it('backward forms: also what was saved and what flows in', () => {
    const saved = attention.factorised(good, good, good);
    const { output, denominator } = saved;
    for (const backward of [attention.naiveBackward, attention.factorisedBackward]) {
      for (const [argument, type, q, k, v, options] of bad) {
        expectError(() => backward(q, k, v, saved, {}, options), type, argument);
      }
      const wrong = array([1, 4, 2]);
      const state = array([1, 2, 4, 4], Number.NaN);
      expectError(() => backward(good, good, good, { output: wrong, denominator }, {}), ShapeError, 'output');
      expectError(() => backward(good, good, good, { output, denominator: good }, {}), ShapeError, 'denominator');
      expectError(() => backward(good, good, good, saved, { output: wrong }), ShapeError, 'gradients.output');
      expectError(() => backward(good, good, good, saved, { state: good }), ShapeError, 'gradients.state');
      expectError(() => backward(good, good, good, saved, { state }), NonFiniteError, 'gradients.state');
    }
  });

  it('the recurrent form, which then leaves the state as it was', () => {
    const state = attention.emptyState({ batch: 1, heads: 2, headDim: 3 });
    const { step, absorb, look } = attention;
    for (const [argument, type, q, k, v, options] of bad) {
      if (options?.mask || options?.prefix || options?.initialState || k.shape[1] === 5) continue;
      expectError(() => step(state, q, k, v, options), type, argument);
    }
    expectError(() => step(state, good, good, good, { c: 1 }), ShapeError, 'state');
    expectError(() => step(good, good, good, good), ShapeError, 'state');
    expectError(() => absorb(state, withValue(Number.NaN), good), NonFiniteError, 'k');
    expectError(() => absorb(state, array([4, 2, 3]), good), ShapeError, 'k');
    expectError(() => look(array([2, 3]), good), ShapeError, 'state');
    expectError(() => look(state, array([1, 4, 3, 3])), ShapeError, 'state');
    expectError(() => look(state, array([2, 3])), ShapeError, 'q');
    expectError(() => attention.emptyState({ batch: 1, heads: 0, headDim: 3 }), ValueError, 'heads');
    expectError(() => attention.ndarray([2, 2], [1, 2, 3], 'x'), ShapeError, 'x');
    expectError(() => attention.ndarray([2], [1, Number.NaN], 'x'), NonFiniteError, 'x');
    expect(state.data.every((value) => value === 0)).toBe(true);
  });

  it('strict: a denominator that is not above 0 is an error, with its value', () => {
    const [q, k, v] = [1, 2, 3].map((seed) => normal([1, 64, 1, 8], seed));
    const lowest = Math.min(...attention.naive(q, k, v).denominator.data);
    expect(lowest).toBeLessThanOrEqual(0);
    for (const form of [attention.naive, attention.factorised]) {
      expectError(() => form(q, k, v, { strict: true }), DenominatorError, 'g');
      expect(() => form(q, k, v, { strict: true })).toThrow(String(lowest).slice(0, 6));
      expect(form(q, k, v, { strict: true, c: 0.5 }).minDenominator).toBeGreaterThan(0);
    }
    const state = attention.emptyState({ batch: 1, heads: 1, headDim: 8 });
    expectError(() => attention.step(state, q, k, v, { strict: true }), DenominatorError, 'g');
    const none = { keyWeights: array([1, 64, 1], 0), strict: true };
    expectError(() => attention.factorised(q, k, v, none), DenominatorError, 'g');
  });
});

describe('the operation: every bad argument is a typed error that names it', () => {
  const backend = float64Backend();
  const up = (x: NdArray): Tensor => tensor(backend, x.data, x.shape);
  const run = (q: NdArray, k: NdArray, v: NdArray, options?: attention.AttentionOptions) => {
    const { keyWeights, initialState, ...rest } = options ?? {};
    const tensors: LinearAttentionOptions = {
      ...rest,
      ...(keyWeights && { keyWeights: up(keyWeights) }),
      ...(initialState && { initialState: up(initialState) }),
    };
    return linearAttention(up(q), up(k), up(v), tensors);
  };

  it('shapes and options', () => {
    for (const [argument, type, q, k, v, options] of bad) {
      // The order follows from c; arrays that are no tensors are below.
      const usable = [q, k, v].every((x) => x && x.data.length > 0 && x.data.length === sizeOf(x.shape));
      if (argument === 'order' || !usable || type === NonFiniteError) continue;
      expectError(() => run(q, k, v, options), type, argument);
    }
  });

  it('what cannot become a tensor', () => {
    const named = (values: readonly number[], shape: readonly number[]) => () =>
      tensor(backend, values, shape, { name: 'q' });
    expectError(named([], [1, 0, 2, 3]), ShapeError, 'q');
    expectError(named([], [1, 4, 2, 0]), ShapeError, 'q');
    expectError(named([1, Number.NaN], [2]), NonFiniteError, 'q');
    expectError(named([1, Number.POSITIVE_INFINITY], [2]), NonFiniteError, 'q');
  });

  it('strict: the next read fails', async () => {
    const [q, k, v] = [1, 2, 3].map((seed) => normal([1, 64, 1, 8], seed));
    const { output } = linearAttention(up(q), up(k), up(v), { strict: true });
    await expect(output.read()).rejects.toBeInstanceOf(DenominatorError);
    await expect(output.read()).resolves.toBeInstanceOf(Float64Array);
  });
});
