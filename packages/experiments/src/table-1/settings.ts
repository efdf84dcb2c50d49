import type { Settings } from '../frame/experiment.ts';
import type { Variant } from './variants.ts';

/** How a column is trained. */
export interface Training {
  /** Trained on, where they are generated or drawn. */
  readonly examples?: number;
  readonly steps: number;
  readonly batchSize: number;
  readonly seqLen: number;
  readonly learningRate: number;
}

export interface Table1Settings extends Settings {
  /** Of TinyStories. */
  readonly data: string;
  /** Columns that are run, and how. */
  readonly columns: Readonly<Record<string, Training>>;
  /** How many seeds, from `seed` on. */
  readonly seeds: number;
  /** Rate at the start; it falls to 0 linearly. */
  readonly dropout: number;
  /** Kept to score on. */
  readonly held: { readonly examples: number; readonly tokens: number };
}

export const cellKey = (column: string, { name }: Variant, seed: number): string => `${column}, ${name}, seed ${seed}`;
