import { rateSchedule } from '@linattn/dropout';
import type { PhiloxKey } from '@linattn/math';
import type { DropoutConfig } from '../config.ts';
import { seedKey } from '../random.ts';
import type { ForwardContext } from './context.ts';

/** Which noise a layer draws in a forward pass: options of `@linattn/dropout`, but for the mode `weights`. */
export interface LayerNoise {
  readonly mode: Exclude<DropoutConfig['mode'], 'none'>;
  readonly rate: number;
  readonly seed: PhiloxKey;
  readonly layer: number;
  readonly step: number;
}

/** The noise of one layer in one forward pass; undefined outside training, and without dropout. */
export type Noise = (context: ForwardContext) => LayerNoise | undefined;

/** Sets up the schedule of a layer's noise. */
export function noiseOf({ mode, rate, decay, until }: DropoutConfig, layer: number): Noise {
  if (mode === 'none' || rate === 0) return () => undefined;
  const rateAt = rateSchedule({ rate, decay, until });
  return ({ training, progress, seed, step }) =>
    training ? { mode, rate: rateAt(progress), seed: seedKey(seed, 'dropout'), layer, step } : undefined;
}
