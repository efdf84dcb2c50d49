import { indices, type Tensor, valueAndGrad } from '@linattn/math';
import { float64Backend } from '@linattn/math/float64';
import { expect } from 'vitest';
import { GPTNeoX, type GPTNeoXOptions } from '../src/index.ts';

/** A model small enough to look at every number. */
export const tinyModel = (options: Partial<GPTNeoXOptions> = {}, seed = 1, backend = float64Backend()): GPTNeoX =>
  GPTNeoX.init(
    backend,
    { vocabSize: 10, hiddenSize: 8, layers: 2, heads: 2, intermediateSize: 12, rotaryFraction: 0.5, ...options },
    { seed },
  );

/** ‖given - expected‖ / ‖expected‖; NaN anywhere makes it NaN. */
export function relativeError(given: ArrayLike<number>, expected: ArrayLike<number>): number {
  expect(given.length).toBe(expected.length);
  let [difference, size] = [0, 0];
  for (let i = 0; i < expected.length; i++) {
    difference += (given[i] - expected[i]) ** 2;
    size += expected[i] ** 2;
  }
  return Math.sqrt(difference / size);
}

/** Gradients of `loss` by parameter name. */
export function gradientsOf(model: GPTNeoX, loss: () => Tensor): Map<string, Tensor> {
  const { gradients } = valueAndGrad(loss, [...model.parameters.values()]);
  return new Map([...model.parameters.keys()].map((name, i) => [name, gradients[i]]));
}

export const ids = (model: GPTNeoX, rows: readonly (readonly number[])[]): Tensor =>
  indices(model.backend, rows.flat(), [rows.length, rows[0].length]);
