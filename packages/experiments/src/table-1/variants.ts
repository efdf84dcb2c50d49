import type { DropoutMode } from '@linattn/dropout';
import type { GPTNeoXOptions } from '@linattn/nn';

/** A row of the table: an attention, and what stands in for dropout of its weights. */
export interface Variant {
  readonly name: string;
  readonly attention: 'linear' | 'softmax';
  readonly dropout: DropoutMode | 'weights' | 'none';
}

export const variants: readonly Variant[] = [
  { name: 'softmax, no dropout', attention: 'softmax', dropout: 'none' },
  { name: 'softmax, real attention dropout', attention: 'softmax', dropout: 'weights' },
  { name: 'linear, no dropout', attention: 'linear', dropout: 'none' },
  { name: 'linear, `paper` (Eq 28)', attention: 'linear', dropout: 'paper' },
  { name: 'linear, `unbiased`', attention: 'linear', dropout: 'unbiased' },
  { name: 'linear, `matched`', attention: 'linear', dropout: 'matched' },
  { name: 'linear, `keys`', attention: 'linear', dropout: 'keys' },
];

/** Published for the two-layer model on the Long Range Arena, in per cent: ListOps, Text, Retrieval, Image, Pathfinder. */
export const published = {
  softmax: [37.1, 65.02, 79.35, 38.2, 74.16],
  Performer: [18.8, 63.81, 78.62, 37.07, 69.87],
  Nyströmformer: [37.15, 65.52, 79.56, 41.58, 70.94],
} as const;

/** Two layers of 64 features with two heads: the model of the published rows. */
export const modelOf = (
  { attention, dropout }: Variant,
  rate: number,
  { vocabSize, mask }: { readonly vocabSize: number; readonly mask: 'causal' | 'bidirectional' },
): GPTNeoXOptions => ({
  vocabSize,
  layers: 2,
  hiddenSize: 64,
  heads: 2,
  intermediateSize: 128,
  attention: { type: attention, mask },
  ...(dropout !== 'none' && { dropout: { mode: dropout, rate, decay: 'linear' } }),
});
