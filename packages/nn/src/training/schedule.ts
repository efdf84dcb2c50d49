/** The learning rate of step t (from 0). */
export type Schedule = (step: number) => number;

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

/** Linear rise over `warmup` steps (step t has peak (t + 1) / warmup), then half a cosine down to `floor` at the last step. */
export function warmupCosine({ peak, warmup = 0, steps, floor = peak / 10 }: WarmupCosineOptions): Schedule {
  return (step) => {
    if (step < warmup) return (peak * (step + 1)) / warmup;
    const progress = Math.min(1, (step - warmup) / Math.max(1, steps - 1 - warmup));
    return floor + (peak - floor) * 0.5 * (1 + Math.cos(Math.PI * progress));
  };
}
