import { type PhiloxKey, ValueError } from '@linattn/math';

/** What stands in for attention dropout; the README compares their moments with the real one's. */
export const dropoutModes = ['paper', 'unbiased', 'matched', 'keys'] as const;

/**
 * - `paper`: o = (1 - p) õ (1 + ψ), ψ ~ N(0, p) with p the variance, one draw an element (Eq 28 to the letter).
 * - `unbiased`: o = õ (1 + ψ), the same ψ, mean kept.
 * - `matched`: õ plus noise with the covariance of real attention dropout, p/(1-p) Σ_n a_in² (v_n - o_i)(v_n - o_i)ᵀ.
 * - `keys`: each key of each head is dropped with probability p, for all queries at once, and attention renormalises.
 */
export type DropoutMode = (typeof dropoutModes)[number];

/** What noise, how much of it, and where it is drawn from. */
export interface DropoutOptions {
  /** Default `keys`. */
  readonly mode?: DropoutMode;
  /** p in [0, 1). At 0 nothing happens. */
  readonly rate: number;
  /** An integer in [0, 2^53), or two 32-bit words: the Philox key, low word first. */
  readonly seed: number | PhiloxKey;
  /** First word of the stream: which layer draws. An integer in [0, 2^32), default 0. */
  readonly layer?: number;
  /** Second word of the stream: which forward pass draws (micro-batches count). An integer in [0, 2^32), default 0. */
  readonly step?: number;
  /** Default true; in evaluation nothing happens. */
  readonly training?: boolean;
}

/** Options with their defaults, and the stream of Philox draws that they name. */
export interface ResolvedDropout {
  readonly mode: DropoutMode;
  readonly rate: number;
  readonly key: PhiloxKey;
  readonly stream: readonly [number, number];
}

/** @throws ValueError naming the argument unless it is a probability below 1. */
export function checkRate(argument: string, rate: number): number {
  if (!(rate >= 0 && rate < 1)) throw new ValueError(argument, rate, 'a number in [0, 1)');
  return rate;
}

function checkWord(argument: string, word: number): number {
  if (word >>> 0 !== word) throw new ValueError(argument, word, 'an integer in [0, 2^32)');
  return word;
}

function keyOf(seed: number | PhiloxKey): PhiloxKey {
  if (typeof seed === 'object') return [checkWord('seed[0]', seed[0]), checkWord('seed[1]', seed[1])];
  if (!Number.isSafeInteger(seed) || seed < 0) {
    throw new ValueError('seed', seed, 'an integer in [0, 2^53), or two 32-bit words');
  }
  return [seed >>> 0, Math.floor(seed / 2 ** 32)];
}

/**
 * Checks the options, also those of a pass in which nothing happens.
 * @returns undefined where dropout is the identity: at rate 0 and in evaluation.
 * @throws ValueError naming the argument.
 */
export function resolveDropout(options: DropoutOptions): ResolvedDropout | undefined {
  const { mode = 'keys', rate, seed, layer = 0, step = 0, training = true } = options;
  if (!dropoutModes.includes(mode)) throw new ValueError('mode', mode, dropoutModes.join(' | '));
  checkRate('rate', rate);
  const resolved: ResolvedDropout = {
    mode,
    rate,
    key: keyOf(seed),
    stream: [checkWord('layer', layer), checkWord('step', step)],
  };
  return training && rate > 0 ? resolved : undefined;
}
