import { describe, expect, it } from 'vitest';
import * as attention from '../src/attention/index.ts';
import { float64Backend } from '../src/float64/index.ts';
import { type Backend, linearAttention, type Tensor, tensor, vjp } from '../src/index.ts';
import { resolveRadius } from '../src/ops/attention-conventions.ts';
import { type Case, composingBackend, definition, inputsOf, relativeError, upload } from './attention-support.ts';

const tolerance = 1e-10;

/** Every mask, order, coefficient sign, normalisation, state, key weights, ragged N and D from 1 to 64 occurs, most in pairs. */
const cases: readonly Case[] = [
  { mask: 'causal', queries: 1, headDim: 1, state: true },
  { mask: 'causal', queries: 2, headDim: 64, state: true },
  { mask: 'causal', queries: 63, headDim: 8, a: 2, b: -0.5, batch: 2 },
  { mask: 'causal', queries: 65, headDim: 17, valueDim: 5, normalize: 'l2', state: true },
  { mask: 'causal', queries: 257, headDim: 32, heads: 1, normalize: 'l2', keyWeights: true },
  { mask: 'causal', queries: 257, headDim: 64, heads: 1 },
  { mask: 'causal', queries: 65, headDim: 3, c: 0.5, batch: 2, state: true, keyWeights: true },
  { mask: 'causal', queries: 257, headDim: 4, a: 0.7, b: 0, c: 2, heads: 1 },
  { mask: 'causal', queries: 63, headDim: 16, c: -0.1, normalize: 'l2' },
  { mask: 'causal', queries: 2, headDim: 33, heads: 1, order: 2, normalize: 'l2', state: true },
  { mask: 'bidirectional', queries: 1, keys: 257, headDim: 2 },
  { mask: 'bidirectional', queries: 63, keys: 65, headDim: 16, valueDim: 3, normalize: 'l2', state: true },
  { mask: 'bidirectional', queries: 65, keys: 2, headDim: 5, c: 0.3, keyWeights: true, state: true },
  { mask: 'bidirectional', queries: 130, keys: 1, headDim: 7, b: 0.25, c: 1, normalize: 'l2', state: true },
  { mask: 'prefix', prefix: 1, queries: 1, headDim: 6, valueDim: 2, state: true },
  { mask: 'prefix', prefix: 0, queries: 63, headDim: 4, c: 0.5 },
  { mask: 'prefix', prefix: 65, queries: 65, headDim: 9, a: 3, state: true },
  { mask: 'prefix', prefix: 40, queries: 65, headDim: 6, c: 0.5, normalize: 'l2', state: true, keyWeights: true },
  { mask: 'prefix', prefix: 100, queries: 257, headDim: 12, heads: 1, normalize: 'l2' },
];

const title = (test: Case) =>
  Object.entries(test)
    .map(([name, value]) => `${name} ${value}`)
    .join(', ');

type Inputs = ReturnType<typeof inputsOf>;

type Form = (inputs: {
  q: Tensor;
  k: Tensor;
  v: Tensor;
  coefficients: Tensor;
  initialState?: Tensor;
  keyWeights?: Tensor;
}) => { output: Tensor; denominator: Tensor; state?: Tensor };

const numbers = (x: Tensor) => x.handle as Float64Array;

/** Results and gradients, by name, of what `form` computes on a tape. */
function differentiate(backend: Backend, inputs: Inputs, form: Form): Record<string, ArrayLike<number>> {
  const { a, b, c, initialState, keyWeights } = inputs.options;
  const [q, k, v] = [inputs.q, inputs.k, inputs.v].map((x) => upload(backend, x));
  const coefficients = tensor(backend, [a!, b!, c!]);
  const state = initialState && upload(backend, initialState);
  const weights = keyWeights && upload(backend, keyWeights);
  let denominator: ArrayLike<number> = [];
  const { outputs, pullback } = vjp(() => {
    const result = form({ q, k, v, coefficients, initialState: state, keyWeights: weights });
    denominator = numbers(result.denominator).slice();
    return [result.output, result.state!];
  }, [q, k, v, coefficients, ...(state ? [state] : [])]);
  const gradients = pullback([upload(backend, inputs.gradients.output), upload(backend, inputs.gradients.state)]);
  const names = ['dq', 'dk', 'dv', 'dCoefficients', 'dInitialState'];
  return {
    output: numbers(outputs[0]),
    denominator,
    state: numbers(outputs[1]),
    ...Object.fromEntries(gradients.map((gradient, i) => [names[i], numbers(gradient)])),
  };
}

/** The same from the array forms. */
function ofArrays(
  { q, k, v, options, gradients }: Inputs,
  forward: typeof attention.naive,
  backward: typeof attention.naiveBackward,
): Record<string, ArrayLike<number>> {
  const result = forward(q, k, v, options);
  const { dq, dk, dv, da, db, dc, dInitialState } = backward(q, k, v, result, gradients, options);
  return {
    output: result.output.data,
    denominator: result.denominator.data,
    state: result.state.data,
    dq: dq.data,
    dk: dk.data,
    dv: dv.data,
    dCoefficients: [da, db, dc],
    ...(options.initialState ? { dInitialState: dInitialState.data } : {}),
  };
}

function expectSame(given: Record<string, ArrayLike<number>>, truth: Record<string, ArrayLike<number>>): void {
  expect(Object.keys(given).sort()).toEqual(Object.keys(truth).sort());
  for (const [name, values] of Object.entries(truth)) {
    expect(relativeError(given[name], values), name).toBeLessThanOrEqual(tolerance);
  }
}

describe('gradients of attention: autodiff of the definition is the truth', () => {
  for (const test of cases) {
    it(title(test), () => {
      const inputs = inputsOf(test);
      const { mask, prefix, normalize } = test;
      const radius = resolveRadius(inputs.options);
      const truth = differentiate(float64Backend(), inputs, ({ q, k, v, coefficients, ...rest }) =>
        definition(q, k, v, coefficients, inputs.order, { mask, prefix, radius, ...rest }),
      );
      const operation: Form = ({ q, k, v, ...rest }) =>
        linearAttention(q, k, v, {
          ...{ mask, prefix, order: inputs.order, returnState: true },
          ...(normalize ? { normalize, radius } : {}),
          ...rest,
        });
      expectSame(ofArrays(inputs, attention.naive, attention.naiveBackward), truth);
      expectSame(ofArrays(inputs, attention.factorised, attention.factorisedBackward), truth);
      expectSame(differentiate(float64Backend(), inputs, operation), truth);
      expectSame(differentiate(composingBackend(), inputs, operation), truth);
    });
  }
});
