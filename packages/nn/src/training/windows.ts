import { ShapeError } from '@linattn/math';
import { seedKey, uniform53 } from '../random.ts';
import type { Batch, BatchSource } from './data.ts';

/** Token ids on the host: a Uint16Array, a Uint32Array, a plain array. */
export type TokenArray = ArrayLike<number> & {
  /** As of arrays. */
  slice(start: number, end: number): ArrayLike<number>;
};

/** Rows of `seqLen` tokens from these starts, and as targets the same rows one token on. */
function windows(tokens: TokenArray, starts: readonly number[], seqLen: number): Batch {
  const size = starts.length * seqLen;
  const batch = { tokens: new Int32Array(size), targets: new Int32Array(size), shape: [starts.length, seqLen] };
  starts.forEach((start, row) => {
    batch.tokens.set(tokens.slice(start, start + seqLen), row * seqLen);
    batch.targets.set(tokens.slice(start + 1, start + 1 + seqLen), row * seqLen);
  });
  return batch;
}

/**
 * Endless batches for training: each row starts at a random place of a flat token stream, drawn by Philox from seed, batch and
 * row.
 * @throws ShapeError when the stream has no seqLen + 1 tokens.
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

/**
 * One pass in order, for evaluation: rows side by side without overlap, every token but the first predicted once. The last
 * batches may have fewer rows and tokens.
 */
export function sequentialWindows(tokens: TokenArray): BatchSource {
  return {
    batch: (index, batchSize, seqLen) => {
      if (tokens.length < 2) throw new ShapeError('tokens', tokens.length, 'at least 2 tokens');
      const rows = Math.floor((tokens.length - 1) / seqLen);
      const first = index * batchSize;
      const count = Math.min(batchSize, rows - first);
      if (count > 0) {
        const starts = Array.from({ length: count }, (_, row) => (first + row) * seqLen);
        return windows(tokens, starts, seqLen);
      }
      const rest = tokens.length - 1 - rows * seqLen;
      return index === Math.ceil(rows / batchSize) && rest > 0 ? windows(tokens, [rows * seqLen], rest) : undefined;
    },
  };
}
