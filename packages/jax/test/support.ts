import { type Array as JaxArray, numpy } from '@jax-js/jax';
import { sizeOf, type Tensor, tensor } from '@linattn/math';
import { float64Backend } from '@linattn/math/float64';
import { expect } from 'vitest';

export const oracle = float64Backend();

/** Numbers of a small generator, exact in float32. */
function numbers(count: number, seed: number): Float32Array<ArrayBuffer> {
  let state = (seed * 2654435761 + 12345) >>> 0;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}

export interface Drawn {
  readonly shape: readonly number[];
  readonly values: Float32Array<ArrayBuffer>;
}

export const draw = (shape: readonly number[], seed: number): Drawn => ({
  shape,
  values: numbers(sizeOf(shape), seed),
});

export const inFloat64 = ({ shape, values }: Drawn): Tensor => tensor(oracle, values, shape);

export const inJax = ({ shape, values }: Drawn): JaxArray => numpy.array(values.slice(), { shape: [...shape] });

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
