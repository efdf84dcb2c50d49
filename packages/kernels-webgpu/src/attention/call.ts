import type { LinearAttentionAttributes } from '@linattn/math';
import { bufferOf, type Gpu, type Operand } from '../runtime/gpu.ts';
import type { Buffer } from '../runtime/pool.ts';
import type { Factors } from './factors.ts';
import type { Range, Sizes, StateRows } from './run.ts';

/** Runs of tokens whose queries see the state of all its keys, or each key up to their own. */
export function phases({ mask, prefix }: LinearAttentionAttributes, { pairs, tokens: [queries, keys] }: Call): Range[] {
  const run = (start: number, x: number, y: number, causal: boolean): Range => ({
    tokens: [queries, keys],
    start: [start, start],
    length: [x, y],
    causal,
    reverse: false,
    pairs: [0, pairs],
  });
  if (mask === 'bidirectional') return [run(0, queries, keys, false)];
  return [
    ...(prefix > 0 ? [run(0, prefix, prefix, false)] : []),
    ...(prefix < queries ? [run(prefix, queries - prefix, queries - prefix, true)] : []),
  ];
}

/** The same runs seen from the keys: back to front, x and y exchanged. */
export const reversed = (ranges: readonly Range[]): Range[] =>
  [...ranges].reverse().map(({ tokens, start, length, ...range }) => ({
    ...range,
    tokens: [tokens[1], tokens[0]],
    start: [start[1], start[0]],
    length: [length[1], length[0]],
    reverse: true,
  }));

/** What the shapes of an attention say. */
export interface Call {
  readonly sizes: Sizes;
  readonly pairs: number;
  /** Rows (batch, token, head) of queries and of keys. */
  readonly queries: number;
  readonly keys: number;
  readonly tokens: readonly [queries: number, keys: number];
  readonly stateRows: number;
  /** Features of which f has a second-order part: none for order 1. */
  readonly second: number;
}

/** Parts of f that are worked on at once: the linear one (feature -1), or second-order ones of so many features. */
export interface Part {
  readonly feature: number;
  readonly count: number;
  readonly firstRow: number;
}

/** @param most second-order parts at once. */
export function partsOf({ sizes: { width }, second }: Call, most: number): Part[] {
  const parts = [{ feature: -1, count: 1, firstRow: 1 }];
  for (let feature = 0; feature < second; feature += most)
    parts.push({ feature, count: Math.min(most, second - feature), firstRow: 1 + width + feature * width });
  return parts;
}

export function describe(q: Operand, k: Operand, v: Operand, order: 1 | 2): Call {
  const [batch, queries, heads, width] = q.shape;
  const keys = k.shape[1];
  const pairs = batch * heads;
  const second = order === 2 ? width : 0;
  return {
    sizes: { batch, heads, width, valueWidth: v.shape[3] },
    pairs,
    queries: pairs * queries,
    keys: pairs * keys,
    tokens: [queries, keys],
    stateRows: 1 + width + second * width,
    second,
  };
}

/** Runs a chain of phases: each begins with the state that the one before left. */
export function chain(
  gpu: Gpu,
  ranges: readonly Range[],
  { sizes, stateRows }: Call,
  firstRow: number,
  ends: Pick<StateRows, 'initial' | 'final'>,
  phase: (range: Range, state: StateRows) => void,
): void {
  let carried: Buffer | undefined;
  ranges.forEach((range, i) => {
    const last = i === ranges.length - 1;
    const next = last
      ? ends.final
      : gpu.take('linearAttention state', range.pairs[1] * stateRows * (sizes.valueWidth + 1));
    phase(range, { stateRows, firstRow, initial: ends.initial, carried, final: next, last });
    gpu.give(carried);
    carried = next;
  });
}

/** Where factors of the rows of q and k begin for a part of f. */
export interface Scales {
  /** What q and k are scaled by. */
  readonly q: number;
  readonly k: number;
  /** The feature alone (planes of q̂_m and k̂_m), of the second-order parts. */
  readonly hatQ: number;
  readonly hatK: number;
}

export interface RowPlanes {
  readonly lengthQ: number;
  readonly lengthK: number;
  readonly weights: number;
  /** Makes the planes of a part, of its features one after the other; they replace those of the part before. */
  readonly part: (part: Part) => Scales;
}

/** Numbers in the planes that `planesOf` makes. */
export const planeRoom = (
  { queries, keys, second }: Call,
  { radius }: LinearAttentionAttributes,
  most: number,
): number => ((radius > 0 ? 1 : 0) + 2 * Math.min(second, most)) * (queries + keys) + keys;

/** Planes of q, k and key weights that forward and backward both use. `most`: second-order parts at once. */
export function planesOf(
  factors: Factors,
  { queries, keys, second, sizes: { width } }: Call,
  { radius }: LinearAttentionAttributes,
  [q, k]: readonly [Buffer, Buffer],
  keyWeights: Operand | undefined,
  most: number,
): RowPlanes {
  const lengthQ = radius > 0 ? factors.lengths(q, queries, width, radius) : 0;
  const lengthK = radius > 0 ? factors.lengths(k, keys, width, radius) : 0;
  const weights = keyWeights
    ? factors.combine({ to: factors.make(keys), rows: keys, count: 1 }, [], {
        x: bufferOf(keyWeights),
        width: 1,
        first: 0,
      })
    : 0;
  const room = Math.min(second, most);
  const make = (rows: number) => (room > 0 ? factors.make(room * rows) : 0);
  const [hatQ, scaleQ, hatK, scaleK] = [queries, queries, keys, keys].map(make);
  const part = ({ feature: first, count }: Part): Scales => {
    if (first < 0) return { q: lengthQ, k: lengthK, hatQ: 0, hatK: 0 };
    for (const [x, rows, length, hat, scale] of [
      [q, queries, lengthQ, hatQ, scaleQ],
      [k, keys, lengthK, hatK, scaleK],
    ] as const) {
      const lengths = { at: length, step: 0 };
      factors.combine({ to: hat, rows, count }, [lengths], { x, width, first });
      factors.combine({ to: scale, rows, count }, [lengths, { at: hat, step: rows }]);
    }
    return { q: scaleQ, k: scaleK, hatQ, hatK };
  };
  return { lengthQ, lengthK, weights, part };
}
