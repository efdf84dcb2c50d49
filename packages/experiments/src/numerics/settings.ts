import type { Settings } from '../frame/experiment.ts';
import type { Denominators } from './denominators.ts';
import type { Normalize } from './inputs.ts';
import type { LengthErrors } from './length.ts';
import type { PrintedErrors } from './printed.ts';
import type { Sharpness } from './sharpness.ts';

export interface NumericsSettings extends Settings {
  /** Of the denominators. */
  readonly tokens: number;
  readonly headDims: readonly number[];
  readonly lengths: readonly number[];
  /** Where lengths differ. */
  readonly headDim: number;
  /** Tokens among which one is to be picked out. */
  readonly crowds: readonly number[];
}

export type NumericsValue = Denominators | LengthErrors | PrintedErrors | Sharpness;

export const keys = {
  denominators: (normalize: Normalize, headDim: number) => `denominators, normalize ${normalize}, D ${headDim}`,
  length: (tokens: number) => `error at N ${tokens}`,
  printed: 'equations as printed',
  sharpness: (tokens: number) => `one token among ${tokens}`,
};

export const normalizations: readonly Normalize[] = ['none', 'l2'];
