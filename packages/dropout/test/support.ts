import {
  type Backend,
  type Handle,
  type Kernel,
  type KernelTable,
  mul,
  philoxFill,
  scope,
  sum,
  type Tensor,
  tensor,
  unscoped,
  valueAndGrad,
} from '@linattn/math';
import { float64Backend } from '@linattn/math/float64';
import { expect } from 'vitest';

export type Numbers = Float64Array;

/** Normal numbers, told apart by `name`. */
const normals = (size: number, name: number): Numbers =>
  philoxFill(new Float64Array(size), 'normal', [name, 77], [0, 0]);

/** A normal tensor. */
export const normal = (backend: Backend, shape: readonly number[], name: number): Tensor =>
  tensor(
    backend,
    normals(
      shape.reduce((size, extent) => size * extent, 1),
      name,
    ),
    shape,
  );

/** Relative norm error; NaN fails. */
export function expectClose(given: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number): void {
  expect(given.length).toBe(expected.length);
  let [error, norm] = [0, 0];
  for (let i = 0; i < expected.length; i++) {
    error += (given[i] - expected[i]) ** 2;
    norm += expected[i] ** 2;
  }
  expect(Math.sqrt(error / norm)).toBeLessThan(tolerance);
}

/**
 * Holds the tape's gradient of Σ f(inputs) · upstream (upstream random) against central differences, for every element of every
 * input. The error of a central difference of step h is O(h²) + O(ε/h): with h = 1e-5 about 1e-10 relative.
 */
export async function expectGradients(
  backend: Backend,
  f: (...inputs: Tensor[]) => Tensor,
  inputs: readonly Tensor[],
  tolerance = 1e-7,
): Promise<void> {
  const loss = (given: readonly Tensor[]): Tensor => {
    const out = f(...given);
    return sum(mul(out, normal(backend, out.shape, 99)));
  };
  const { value, gradients } = valueAndGrad(() => loss(inputs), inputs);
  value.dispose();
  const h = 1e-5;
  for (const [at, input] of inputs.entries()) {
    const values = Float64Array.from(await input.read());
    const numeric = new Float64Array(values.length);
    for (let i = 0; i < values.length; i++) {
      const side = async (shift: number): Promise<number> => {
        const moved = values.map((x, j) => (j === i ? x + shift : x));
        const result = scope(() =>
          loss(inputs.map((other, j) => (j === at ? tensor(backend, moved, input.shape) : other))),
        );
        const number = await result.item();
        result.dispose();
        return number;
      };
      numeric[i] = ((await side(h)) - (await side(-h))) / (2 * h);
    }
    expectClose(await gradients[at].read(), numeric, tolerance);
  }
  for (const gradient of gradients) gradient.dispose();
}

/** q, k, v of one call; belongs to no scope. */
export const heads = (
  backend: Backend,
  [batch, queries, keys, count, width, valueWidth]: readonly [number, number, number, number, number, number],
): [Tensor, Tensor, Tensor] =>
  unscoped(() => [
    normal(backend, [batch, queries, count, width], 1),
    normal(backend, [batch, keys, count, width], 2),
    normal(backend, [batch, keys, count, valueWidth], 3),
  ]);

/**
 * How many standard errors a difference may have when `comparisons` of them are made and all must pass with probability
 * 1 - 1e-6: P(|Z| > z) <= 2 exp(-z²/2) for a normal Z, and the union bound.
 */
export const standardErrors = (comparisons: number): number => Math.sqrt(2 * Math.log((2 * comparisons) / 1e-6));

/** float64, but every operation's result is rounded to float32. */
export function roundingBackend(): Backend {
  const inner = float64Backend();
  const rounded = (handle: Handle): Handle => {
    if (handle instanceof Float64Array) for (const [i, x] of handle.entries()) handle[i] = Math.fround(x);
    return handle;
  };
  const kernels = Object.fromEntries(
    Object.entries<Kernel<never>>(inner.kernels as Record<string, Kernel<never>>).map(([name, kernel]) => [
      name,
      ((...call) => kernel(...call).map(rounded)) satisfies Kernel<never>,
    ]),
  ) as KernelTable;
  return { ...inner, kernels, upload: (values, spec) => rounded(inner.upload(values, spec)) };
}
