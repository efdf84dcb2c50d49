import { type AttentionOptions, factorisedBackward, type NdArray, naive, ndarray } from '@linattn/math/attention';
import { normals, relativeError } from './inputs.ts';

/** Errors against central differences of the definition. */
export interface PrintedErrors {
  /** dq, dk and dv with Ω̂_i = dO_i / g_i, as the library has them. */
  readonly corrected: Readonly<Record<'dq' | 'dk' | 'dv', number>>;
  /** With Ω_i = dO_i in its place, as Eqs 23-27 print it. */
  readonly withoutDenominator: Readonly<Record<'dq' | 'dk' | 'dv', number>>;
  /** dv with 2c in place of c, as Eq 75 prints it (there f = 1 + x + x² / 2). */
  readonly doubledC: number;
  /** Of as many products of two standard normals: Lemma 4.1 says 1/2. */
  readonly productVariance: number;
  readonly draws: number;
}

const names = ['q', 'k', 'v'] as const;
const directions = 12;
const draws = 2 ** 20;

type Inputs = Readonly<Record<(typeof names)[number], NdArray>>;

/**
 * Holds gradients to central differences along random directions: those of the library, and those of the paper's equations as
 * they are printed. Every gradient is linear in Ω̂, so what the printed equations give is the library's for an upstream gradient
 * g_i dO_i.
 */
export function measurePrinted({ seed, tokens }: { readonly seed: number; readonly tokens: number }): PrintedErrors {
  const shape = [1, tokens, 1, 8];
  const array = (stream: number, scale = 1) =>
    ndarray(
      shape,
      normals(shape, seed, stream).map((x) => scale * x),
    );
  const inputs: Inputs = { q: array(0), k: array(1), v: array(2) };
  const dO = array(3);
  const order1: AttentionOptions = { normalize: 'l2' };
  // Small q and k: f = 1 + x + x² / 2 is positive everywhere, and x² still counts.
  const small: Inputs = { q: array(0, 0.6), k: array(1, 0.6), v: inputs.v };
  const order2: AttentionOptions = { c: 0.5 };

  const saved = naive(inputs.q, inputs.k, inputs.v, order1);
  const { denominator } = saved;
  const width = shape[3];
  const unscaled = ndarray(
    shape,
    dO.data.map((x, i) => x * denominator.data[Math.floor(i / width)]),
  );
  const gradients = (output: NdArray) => factorisedBackward(inputs.q, inputs.k, inputs.v, saved, { output }, order1);
  const [right, printed] = [gradients(dO), gradients(unscaled)];
  const errors = (found: typeof right) => ({
    dq: directionalError(inputs, 'q', found.dq, dO, order1, seed),
    dk: directionalError(inputs, 'k', found.dk, dO, order1, seed),
    dv: directionalError(inputs, 'v', found.dv, dO, order1, seed),
  });

  const savedSmall = naive(small.q, small.k, small.v, order2);
  const doubled = factorisedBackward(small.q, small.k, small.v, savedSmall, { output: dO }, { c: 1 });
  const products = normals([draws], seed, 4).map((x, i, all) => x * all[(i + draws / 2) % draws]);
  const half = products.subarray(0, draws / 2);
  return {
    corrected: errors(right),
    withoutDenominator: errors(printed),
    doubledC: directionalError(small, 'v', doubled.dv, dO, order2, seed),
    productVariance: half.reduce((sum, x) => sum + x * x, 0) / half.length,
    draws: half.length,
  };
}

/** Of `gradient` by input `name`, along random directions u: Σ gradient·u against (L(x + h u) - L(x - h u)) / 2h, L = Σ dO·o. */
function directionalError(
  inputs: Inputs,
  name: (typeof names)[number],
  gradient: NdArray,
  dO: NdArray,
  options: AttentionOptions,
  seed: number,
): number {
  const h = 1e-5;
  const { shape } = inputs[name];
  const loss = (u: Float64Array, step: number) => {
    const moved = {
      ...inputs,
      [name]: ndarray(
        shape,
        inputs[name].data.map((x, i) => x + step * u[i]),
      ),
    };
    const { output } = naive(moved.q, moved.k, moved.v, options);
    return output.data.reduce((sum, x, i) => sum + x * dO.data[i], 0);
  };
  const analytic: number[] = [];
  const numeric: number[] = [];
  for (let direction = 0; direction < directions; direction++) {
    const u = normals(shape, seed, 100 + direction);
    analytic.push(gradient.data.reduce((sum, x, i) => sum + x * u[i], 0));
    numeric.push((loss(u, h) - loss(u, -h)) / (2 * h));
  }
  return relativeError(analytic, numeric);
}
