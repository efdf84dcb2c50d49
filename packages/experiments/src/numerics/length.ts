import type { Backend } from '@linattn/math';
import { float64Backend } from '@linattn/math/float64';
import { type Errors, errorsOf, pass } from './inputs.ts';

/** A backend's error against float64 at one length, with normalised q and k. */
export interface LengthErrors {
  readonly tokens: number;
  readonly all: Errors;
  /** Of the last tenth of the tokens, which sums of all the others reach. */
  readonly last: Errors;
}

export async function measureLength(
  backend: Backend,
  { tokens, headDim, seed }: { readonly tokens: number; readonly headDim: number; readonly seed: number },
): Promise<LengthErrors> {
  const shape = [1, tokens, 1, headDim];
  const found = await pass(backend, shape, 'l2', seed);
  const exact = float64Backend();
  try {
    const truth = await pass(exact, shape, 'l2', seed);
    return { tokens, all: errorsOf(found, truth), last: errorsOf(found, truth, 0.9) };
  } finally {
    await exact.dispose();
  }
}
