import { type Shape, ShapeError, ValueError } from '@linattn/math';
import { seedKey, uniform53 } from '../random.ts';

/** Token ids on the host. */
export type TokenArray = ArrayLike<number> & { slice(start: number, end: number): ArrayLike<number> };

/** A batch of examples, on the host. */
export interface Batch {
  /** B·N ids. */
  readonly tokens: Int32Array;
  /** What each position is to predict: B·N ids. */
  readonly targets: Int32Array;
  /** [B, N] */
  readonly shape: Shape;
  /** [B, N] of how much each position's loss counts; 1 when absent. */
  readonly weights?: Float64Array;
  /** Conditional tokens, for the mask `prefix`. */
  readonly prefix?: number;
}

/**
 * Where batches come from. Batch `index` is a function of its arguments alone, so training resumes at any step; `undefined`
 * says that the data has ended.
 */
export interface BatchSource {
  batch(index: number, batchSize: number, seqLen: number): Batch | undefined;
}

/** Rows of `seqLen` tokens from these starts, and as targets the same rows one token on. */
function windows(tokens: TokenArray, starts: readonly number[], seqLen: number): Batch {
  const shape = [starts.length, seqLen];
  const batch = {
    tokens: new Int32Array(starts.length * seqLen),
    targets: new Int32Array(starts.length * seqLen),
    shape,
  };
  starts.forEach((start, row) => {
    batch.tokens.set(tokens.slice(start, start + seqLen), row * seqLen);
    batch.targets.set(tokens.slice(start + 1, start + 1 + seqLen), row * seqLen);
  });
  return batch;
}

/**
 * Endless batches for training: each row starts at a random place of a flat token stream, drawn by Philox from seed, batch and
 * row.
 */
export function sampledWindows(tokens: TokenArray, { seed = 0 }: { readonly seed?: number } = {}): BatchSource {
  const key = seedKey(seed, 'windows');
  return {
    batch: (index, batchSize, seqLen) => {
      const places = tokens.length - seqLen;
      if (places < 1) throw new ShapeError('tokens', tokens.length, `more than seqLen ${seqLen} tokens`);
      const starts = Array.from({ length: batchSize }, (_, row) => Math.floor(uniform53(key, index, row) * places));
      return windows(tokens, starts, seqLen);
    },
  };
}

/** One pass in order, for evaluation: rows side by side without overlap; the last batches may have fewer rows and tokens. */
export function sequentialWindows(tokens: TokenArray): BatchSource {
  return {
    batch: (index, batchSize, seqLen) => {
      if (tokens.length < 2) throw new ShapeError('tokens', tokens.length, 'at least 2 tokens');
      const rows = Math.floor((tokens.length - 1) / seqLen);
      const first = index * batchSize;
      const count = Math.min(batchSize, rows - first);
      if (count > 0)
        return windows(
          tokens,
          Array.from({ length: count }, (_, row) => (first + row) * seqLen),
          seqLen,
        );
      const rest = tokens.length - 1 - rows * seqLen;
      return index === Math.ceil(rows / batchSize) && rest > 0 ? windows(tokens, [rows * seqLen], rest) : undefined;
    },
  };
}

/** @throws ValueError for an id outside [0, vocabSize). */
export function checkIds(name: string, ids: ArrayLike<number>, vocabSize: number): void {
  for (let i = 0; i < ids.length; i++) {
    if (!(ids[i] >= 0 && ids[i] < vocabSize))
      throw new ValueError(`${name}[${i}]`, ids[i], `an id in [0, ${vocabSize})`);
  }
}
