import type { GPTNeoXOptions } from '@linattn/nn';

export const sizes = {
  tiny: { label: 'Tiny: 1 layer of 32', layers: 1, hidden: 32, heads: 2 },
  small: { label: 'Small: 2 layers of 64', layers: 2, hidden: 64, heads: 4 },
  medium: { label: 'Medium: 3 layers of 64', layers: 3, hidden: 64, heads: 4 },
  large: { label: 'Large: 4 layers of 128', layers: 4, hidden: 128, heads: 4 },
} as const;
export type Size = keyof typeof sizes;

export const attentions = {
  second: 'Linear, f(x) = 1 + x + x²/2',
  first: 'Linear, f(x) = 1 + x',
  softmax: 'Softmax',
} as const;
export type Attention = keyof typeof attentions;

export const dropouts = {
  none: 'None',
  keys: 'Keys: drops keys, for all queries at once',
  matched: 'Matched: noise of the same variance',
  unbiased: 'Unbiased: noise on the output, mean kept',
  paper: 'Paper: Eq 28 to the letter',
} as const;
export type Dropout = keyof typeof dropouts;

/** Softmax attention knows these only. */
export const softmaxDropouts: readonly Dropout[] = ['none', 'unbiased', 'paper'];

export const lengths = [64, 128, 256, 512, 1024, 2048, 4096] as const;

/** What decides a training run, apart from its text. */
export interface TrainSettings {
  readonly size: Size;
  readonly attention: Attention;
  /** Tokens a row. */
  readonly seqLen: number;
  readonly dropout: Dropout;
  /** At the start; it falls to 0 over the planned steps. */
  readonly dropoutRate: number;
  /** Planned: the learning rate falls over them. Training may go on after. */
  readonly steps: number;
  readonly seed: number;
}

export const defaultSettings: TrainSettings = {
  size: 'small',
  attention: 'second',
  seqLen: 256,
  dropout: 'none',
  dropoutRate: 0.1,
  steps: 600,
  seed: 1,
};

/** Tokens a step, but for rows that are longer. */
const tokensAStep = 1024;

/** Rows a step. */
export const rowsOf = ({ seqLen }: Pick<TrainSettings, 'seqLen'>): number => Math.max(1, tokensAStep / seqLen);

/** The wider, the smaller. */
export const learningRateOf = ({ size }: Pick<TrainSettings, 'size'>): number => 0.64 / sizes[size].hidden;

/** The model: GPT-NeoX over bytes with what makes it learn quickly, as `linattn train` does by default. */
export function modelOf({ size, attention, dropout, dropoutRate }: TrainSettings): GPTNeoXOptions {
  const { layers, hidden, heads } = sizes[size];
  return {
    vocabSize: 256,
    hiddenSize: hidden,
    layers,
    heads,
    shortConvolution: 4,
    rotaryFraction: 1,
    rotaryBase: 100,
    attention:
      attention === 'softmax'
        ? { type: 'softmax' }
        : attention === 'first'
          ? { type: 'linear', a: 1, b: 1, normalize: 'l2' }
          : // 1 + x + x²/2 has no root: no denominator can vanish, and nothing needs scaling.
            { type: 'linear', a: 1, b: 1, c: 0.5, order: 2, normalize: 'none' },
    ...(dropout === 'none' ? {} : { dropout: { mode: dropout, rate: dropoutRate } }),
  };
}

const isOneOf = (table: object, value: unknown): boolean => typeof value === 'string' && Object.hasOwn(table, value);

/** Whether something read from a file is settings of this page. */
export function isTrainSettings(value: unknown): value is TrainSettings {
  if (typeof value !== 'object' || value === null) return false;
  const { size, attention, seqLen, dropout, dropoutRate, steps, seed } = value as Partial<TrainSettings>;
  const counts = [steps, seed].every((count) => Number.isSafeInteger(count) && count! > 0);
  const rate = typeof dropoutRate === 'number' && dropoutRate >= 0 && dropoutRate < 1;
  return (
    isOneOf(sizes, size) &&
    isOneOf(attentions, attention) &&
    isOneOf(dropouts, dropout) &&
    (attention !== 'softmax' || softmaxDropouts.includes(dropout!)) &&
    (lengths as readonly unknown[]).includes(seqLen) &&
    rate &&
    counts
  );
}
