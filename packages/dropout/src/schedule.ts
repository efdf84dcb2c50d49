import { ValueError } from '@linattn/math';
import { checkRate } from './options.ts';

/** Share of the initial rate that is left at a progress in [0, 1]: 1 at the start, 0 at the end (but for `constant`). */
export type Decay = (progress: number) => number;

/** The named decays. `step` falls in four equal steps, at 1/4, 1/2, 3/4 and the end. All but `constant` end at exactly 0. */
export const decays = {
  /** 1 - progress */
  linear: (progress) => 1 - progress,
  /** Half a cosine. */
  cosine: (progress) => (1 + Math.cos(Math.PI * progress)) / 2,
  /** Four equal steps. */
  step: (progress) => 1 - Math.floor(4 * progress) / 4,
  /** All of it, all the time. */
  constant: () => 1,
} as const satisfies Record<string, Decay>;

/** A decay by its name: the share of the rate that is left, as a function of progress. */
export type DecayName = keyof typeof decays;

/** How a rate falls over training. */
export interface RateSchedule {
  /** p at the start of training, in [0, 1). */
  readonly rate: number;
  /** A name, or any function of progress with values in [0, 1]. Default `linear`. */
  readonly decay?: DecayName | Decay;
  /** The share of training at which the decay ends, in (0, 1]. Default 1. */
  readonly until?: number;
}

/**
 * Dropout's rate as a function of training's progress in [0, 1]: `rate` times the decay, from `until` on the decay's end.
 * @throws ValueError for a bad schedule here, and from the function for a progress outside [0, 1] or a decay outside [0, 1].
 */
export function rateSchedule({ rate, decay = 'linear', until = 1 }: RateSchedule): (progress: number) => number {
  checkRate('rate', rate);
  if (!(until > 0 && until <= 1)) throw new ValueError('until', until, 'a number in (0, 1]');
  const share = typeof decay === 'function' ? decay : Object.hasOwn(decays, decay) ? decays[decay] : undefined;
  if (!share) throw new ValueError('decay', decay, `${Object.keys(decays).join(' | ')} | a function of progress`);
  return (progress) => {
    if (!(progress >= 0 && progress <= 1)) throw new ValueError('progress', progress, 'a number in [0, 1]');
    const left = share(Math.min(progress / until, 1));
    if (!(left >= 0 && left <= 1)) throw new ValueError('decay(progress)', left, 'a number in [0, 1]');
    return rate * left;
  };
}
