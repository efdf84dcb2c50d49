import type { Backend } from '@linattn/math';
import { float64Backend } from '@linattn/math/float64';
import { type Errors, errorsOf, type Normalize, pass } from './inputs.ts';

/** What attention with f = 1 + x divides by, and what that does to a backend's rounding. */
export interface Denominators {
  readonly normalize: Normalize;
  readonly headDim: number;
  /** Smallest g, smallest |g|, and smallest g_i / i. */
  readonly min: number;
  readonly minSize: number;
  readonly minMean: number;
  /** Share of rows with g <= 0: their output is no average of values. */
  readonly notPositive: number;
  /** Largest |o|, where no |v| is over `largestValue`. */
  readonly largestOutput: number;
  /** Of the backend, against float64. */
  readonly errors: Errors;
}

const heads = 4;
const least = (x: ArrayLike<number>, of: (value: number, i: number) => number): number =>
  Array.prototype.reduce.call(
    x,
    (best: unknown, value, i) => Math.min(best as number, of(value, i)),
    Infinity,
  ) as number;

export async function measureDenominators(
  backend: Backend,
  options: { readonly normalize: Normalize; readonly headDim: number; readonly tokens: number; readonly seed: number },
): Promise<Denominators> {
  const { normalize, headDim, tokens, seed } = options;
  const shape = [1, tokens, heads, headDim];
  const exact = float64Backend();
  try {
    const truth = await pass(exact, shape, normalize, seed);
    const found = await pass(backend, shape, normalize, seed);
    const { g, o } = truth;
    return {
      normalize,
      headDim,
      min: least(g, (value) => value),
      minSize: least(g, Math.abs),
      minMean: least(g, (value, i) => value / (Math.floor(i / heads) + 1)),
      notPositive: Array.from(g).filter((value) => !(value > 0)).length / g.length,
      largestOutput: -least(o, (value) => -Math.abs(value)),
      errors: errorsOf(found, truth),
    };
  } finally {
    await exact.dispose();
  }
}
