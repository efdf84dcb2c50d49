import type { GPTNeoXConfig } from '@linattn/nn';

/** Everything that decides a training run, with nothing left to defaults: what run.json holds. */
export interface TrainingSettings {
  readonly version: 1;
  /** `stories`, `tinystories`, `tinystories-train`, or a file's absolute path. */
  readonly data: string;
  readonly validationData?: string;
  /** Share of the text kept for validation where there is no `validationData`. */
  readonly validationShare: number;
  /** Bytes of text read at most. */
  readonly dataLimit: number;
  /** How many stories the built-in generator tells. */
  readonly stories: number;
  /** `bytes`, or `tokenizer.json` in the run's folder. */
  readonly tokenizer: string;
  readonly model: GPTNeoXConfig;
  readonly batchSize: number;
  readonly seqLen: number;
  /** Steps planned; absent when time alone decides. */
  readonly steps?: number;
  /** Minutes planned; absent when steps alone decide. */
  readonly minutes?: number;
  readonly learningRate: number;
  readonly warmup: number;
  readonly weightDecay: number;
  readonly clip: number;
  /** Of parameters, batches, noise and built-in stories. */
  readonly seed: number;
  /** Validations, evenly over the run. */
  readonly evaluations: number;
  /** Seconds between checkpoints. */
  readonly saveEvery: number;
  /** SHA-256 of the training tokens: a run is resumed on the text that it began with. */
  readonly dataDigest: string;
}
