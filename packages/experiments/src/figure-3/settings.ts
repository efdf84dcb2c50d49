import type { Settings } from '../frame/experiment.ts';
import type { Curve } from '../training/train.ts';

export interface Figure3Settings extends Settings {
  readonly data: string;
  /** `bytes`, or a tokenizer.json. */
  readonly tokenizer: string;
  readonly layers: number;
  readonly hiddenSize: number;
  readonly heads: number;
  readonly batchSize: number;
  readonly seqLen: number;
  readonly steps: number;
  readonly learningRate: number;
  /** Of dropout's replacement as the paper has it (its Eq 28), at the start; it falls to 0 linearly. */
  readonly dropout: number;
  readonly evaluations: number;
  /** Tokens validated on, at most. */
  readonly validationTokens: number;
}

/** The curve of one attention, and what it was trained on. */
export interface Trained extends Curve {
  readonly parameters: number;
  readonly text: string;
  readonly charactersPerToken: number;
  readonly entropy: number;
}

export const attentions = ['linear', 'softmax'] as const;
export type AttentionName = (typeof attentions)[number];
