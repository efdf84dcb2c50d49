import type { TrainingSettings } from './settings.ts';

type PlanSettings = Pick<TrainingSettings, 'steps' | 'minutes' | 'learningRate' | 'warmup'>;

/** How far a run is, by its steps, its minutes or, where both are given, whichever ends first. */
export class Plan {
  readonly #settings: PlanSettings;
  /** Seconds computed before this process. */
  readonly #before: number;
  readonly #started = performance.now();

  constructor(settings: PlanSettings, before = 0) {
    this.#settings = settings;
    this.#before = before;
  }

  /** Seconds computed in all. */
  get seconds(): number {
    return this.#before + (performance.now() - this.#started) / 1000;
  }

  /** In [0, 1]; 1: nothing is left to do. */
  progress(step: number): number {
    const { steps, minutes } = this.#settings;
    return Math.min(1, Math.max(steps ? step / steps : 0, minutes ? this.seconds / (60 * minutes) : 0));
  }

  /** Of the schedule by steps alone this is a function of the step: a resumed run is the same run to the last bit. */
  learningRate(step: number): number {
    const { learningRate: peak, warmup } = this.#settings;
    const floor = peak / 10;
    const rising = Math.min(1, (step + 1) / Math.max(1, warmup));
    return rising * (floor + (peak - floor) * 0.5 * (1 + Math.cos(Math.PI * this.progress(step))));
  }

  secondsLeft(step: number): number {
    const progress = this.progress(step);
    const { steps, minutes } = this.#settings;
    const byTime = minutes ? 60 * minutes - this.seconds : Number.POSITIVE_INFINITY;
    const bySteps = steps && progress > 0 ? (this.seconds * (1 - progress)) / progress : Number.POSITIVE_INFINITY;
    return Math.max(0, Math.min(byTime, bySteps));
  }
}
