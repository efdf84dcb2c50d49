import { ShapeError, ValueError } from '@linattn/math';
import { seedKey, uniform53 } from '../random.ts';
import type { Batch, BatchSource } from './data.ts';

/** A conditional generation: `condition` is given, `continuation` is to be predicted. */
export interface Pair {
  readonly condition: ArrayLike<number>;
  readonly continuation: ArrayLike<number>;
}

/** A sequence and its class. */
export interface Labelled {
  readonly tokens: ArrayLike<number>;
  readonly label: number;
}

/** How examples are padded and in what order they come. */
export interface ExampleOptions {
  /** `sampled`: endless, by seed, batch and row; `sequential`: one pass. Default `sampled`. */
  readonly order?: 'sampled' | 'sequential';
  readonly seed?: number;
  /** The id that fills rows up. It is never seen nor predicted. Default 0. */
  readonly padding?: number;
}

/**
 * Which of `groups` of examples a batch takes: rows of one batch always come from one group. Sampled, the group is drawn by its
 * size and the rows within it, so each row is any example with equal chance.
 */
function pick<T>(groups: readonly (readonly T[])[], { order = 'sampled', seed = 0 }: ExampleOptions) {
  const key = seedKey(seed, 'examples');
  const total = groups.reduce((sum, group) => sum + group.length, 0);
  if (total === 0) throw new ValueError('examples', 'none', 'at least one');
  return (index: number, batchSize: number): T[] | undefined => {
    if (order === 'sampled') {
      let place = Math.floor(uniform53(key, index, 0) * total);
      const group = groups.find(({ length }) => (place -= length) < 0)!;
      return Array.from(
        { length: batchSize },
        (_, row) => group[Math.floor(uniform53(key, index, row + 1) * group.length)],
      );
    }
    let skip = index;
    for (const group of groups) {
      const batches = Math.ceil(group.length / batchSize);
      if (skip < batches) return group.slice(skip * batchSize, (skip + 1) * batchSize);
      skip -= batches;
    }
    return undefined;
  };
}

/** Rows of ids side by side, filled up to the longest; weights are 0 where they are filled. */
function rowsOf(
  rows: readonly ArrayLike<number>[],
  padding: number,
): Pick<Batch, 'tokens' | 'shape'> & { weights: Float64Array } {
  const length = Math.max(...rows.map((row) => row.length));
  const tokens = new Int32Array(rows.length * length).fill(padding);
  const weights = new Float64Array(tokens.length);
  rows.forEach((row, i) => {
    tokens.set(row, i * length);
    weights.fill(1, i * length, i * length + row.length);
  });
  return { tokens, weights, shape: [rows.length, length] };
}

/**
 * Batches of a `prefix` task: condition and continuation in one row, the loss on the continuation only. Rows of a batch have
 * conditions of one length; continuations are filled up, and cut where a row is over `seqLen`.
 * @throws ValueError when there are no examples or one is empty, ShapeError when a condition fills `seqLen`.
 */
export function pairs(examples: readonly Pair[], options: ExampleOptions = {}): BatchSource {
  const groups = new Map<number, Pair[]>();
  examples.forEach((pair, i) => {
    const { length } = pair.condition;
    if (length === 0 || pair.continuation.length === 0) throw new ValueError(`examples[${i}]`, 'no tokens', 'tokens');
    if (!groups.get(length)?.push(pair)) groups.set(length, [pair]);
  });
  const take = pick([...groups.values()], options);
  return {
    batch: (index, batchSize, seqLen) => {
      const chosen = take(index, batchSize);
      if (!chosen) return undefined;
      const prefix = chosen[0].condition.length;
      if (prefix > seqLen) throw new ShapeError('condition', prefix, `at most seqLen ${seqLen} tokens`);
      const texts = chosen.map((pair) =>
        [...Array.from(pair.condition), ...Array.from(pair.continuation)].slice(0, seqLen + 1),
      );
      const { tokens, weights, shape } = rowsOf(
        texts.map((text) => text.slice(0, -1)),
        options.padding ?? 0,
      );
      const { tokens: targets } = rowsOf(
        texts.map((text) => text.slice(1)),
        options.padding ?? 0,
      );
      for (let row = 0; row < shape[0]; row++) weights.fill(0, row * shape[1], row * shape[1] + prefix - 1);
      return { tokens, targets, weights, shape, prefix };
    },
  };
}

/**
 * Batches for a classifier: rows filled up to the longest of the batch, cut at `seqLen`; the fill has weight 0.
 * @throws ValueError when there are no examples or one is empty.
 */
export function labelled(examples: readonly Labelled[], options: ExampleOptions = {}): BatchSource {
  examples.forEach(({ tokens }, i) => {
    if (tokens.length === 0) throw new ValueError(`examples[${i}]`, 'no tokens', 'tokens');
  });
  const take = pick([examples], options);
  return {
    batch: (index, batchSize, seqLen) => {
      const chosen = take(index, batchSize);
      if (!chosen) return undefined;
      const rows = rowsOf(
        chosen.map(({ tokens }) => Array.prototype.slice.call(tokens, 0, seqLen)),
        options.padding ?? 0,
      );
      return { ...rows, targets: Int32Array.from(chosen, ({ label }) => label) };
    },
  };
}
