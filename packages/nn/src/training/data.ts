import { type Shape, ShapeError, ValueError } from '@linattn/math';

/** A batch of examples, on the host. */
export interface Batch {
  /** B·N ids. */
  readonly tokens: Int32Array;
  /** [B, N] */
  readonly shape: Shape;
  /** What each position is to predict, B·N ids; or one class a row, B of them. */
  readonly targets: Int32Array;
  /** B·N numbers: how much each position counts; all 1 when absent. */
  readonly weights?: Float64Array;
  /** Conditional tokens, for the mask `prefix`. */
  readonly prefix?: number;
}

/**
 * Where batches come from. Batch `index` is a function of its arguments alone, so training resumes at any step; `undefined`
 * says that the data has ended.
 */
export interface BatchSource {
  /** The batch of this index, always the same one; undefined where the data ends. */
  batch(index: number, batchSize: number, seqLen: number): Batch | undefined;
}

/** How much a batch counts in a mean over batches: its weights, or its targets. */
export const countOf = ({ targets, weights }: Batch): number =>
  weights && targets.length === weights.length ? weights.reduce((sum, weight) => sum + weight, 0) : targets.length;

/**
 * The batches of `source` as a `prefix` task: the first `prefix` tokens of each row are given, and see each other; only what
 * follows them is to be predicted and carries a loss.
 */
export const withPrefix = (source: BatchSource, prefix: number): BatchSource => {
  if (!(Number.isInteger(prefix) && prefix > 0)) throw new ValueError('prefix', prefix, 'an integer > 0');
  return {
    batch: (index, batchSize, seqLen) => {
      const batch = source.batch(index, batchSize, seqLen);
      if (!batch) return undefined;
      const [rows, length] = batch.shape;
      if (prefix > length) throw new ValueError('prefix', prefix, `at most the ${length} tokens of a row`);
      const weights = batch.weights?.slice() ?? new Float64Array(rows * length).fill(1);
      // The last given token predicts the first one that is not.
      for (let row = 0; row < rows; row++) weights.fill(0, row * length, row * length + prefix - 1);
      return { ...batch, prefix, weights };
    },
  };
};

/** @throws ValueError for an id outside [0, size). */
export function checkIds(name: string, ids: ArrayLike<number>, size: number): void {
  for (let i = 0; i < ids.length; i++) {
    if (!(Number.isInteger(ids[i]) && ids[i] >= 0 && ids[i] < size))
      throw new ValueError(`${name}[${i}]`, ids[i], `an id in [0, ${size})`);
  }
}

/** @throws ValueError, ShapeError for a batch that a model of these sizes cannot take. */
export function checkBatch(batch: Batch, vocabSize: number, targetSize: number): void {
  const size = batch.shape[0] * batch.shape[1];
  if (batch.tokens.length !== size) throw new ShapeError('tokens', batch.tokens.length, `${size} ids`);
  if (batch.targets.length !== size && batch.targets.length !== batch.shape[0]) {
    throw new ShapeError('targets', batch.targets.length, `${size} ids, or ${batch.shape[0]} classes`);
  }
  checkIds('tokens', batch.tokens, vocabSize);
  checkIds('targets', batch.targets, targetSize);
}
