import { ensure } from '../ensure.ts';

/** The learning rate of step t (from 0). */
export type Schedule = (step: number) => number;

/** A linear rise, then half a cosine. */
export interface WarmupCosineOptions {
  /** Reached when the warm-up ends. */
  readonly peak: number;
  /** Steps of linear rise; default 0. */
  readonly warmup?: number;
  /** Steps in all. */
  readonly steps: number;
  /** Where the cosine ends, and stays; default a tenth of the peak, as Pythia. */
  readonly floor?: number;
}

/** Linear rise over `warmup` steps (step t has peak (t + 1) / warmup), then half a cosine down to `floor` at the last step. @throws ValueError naming the option. */
export function warmupCosine({ peak, warmup = 0, steps, floor = peak / 10 }: WarmupCosineOptions): Schedule {
  ensure('learningRate', peak, peak >= 0 && Number.isFinite(peak), 'a finite number >= 0');
  ensure('floor', floor, floor >= 0 && floor <= peak, `a number in [0, ${peak}]`);
  ensure('warmup', warmup, Number.isInteger(warmup) && warmup >= 0 && warmup <= steps, `an integer in [0, ${steps}]`);
  return (step) => {
    if (step < warmup) return (peak * (step + 1)) / warmup;
    const progress = Math.min(1, (step - warmup) / Math.max(1, steps - 1 - warmup));
    return floor + (peak - floor) * 0.5 * (1 + Math.cos(Math.PI * progress));
  };
}
