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
  /** The parts of f: the linear one (feature -1), then for order 2 one a feature. */
  readonly parts: readonly { readonly feature: number; readonly firstRow: number }[];
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
    parts: [
      { feature: -1, firstRow: 1 },
      ...Array.from({ length: second }, (_, m) => ({ feature: m, firstRow: 1 + width + m * width })),
    ],
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

/** Factors of the rows of q and k for one part of f. */
export interface Scales {
  /** What q and k are scaled by. */
  readonly q: number;
  readonly k: number;
  /** The feature alone (planes of q̂_m and k̂_m), of the second-order parts. */
  readonly hatQ: number;
  readonly hatK: number;
}

export interface Planes {
  readonly lengthQ: number;
  readonly lengthK: number;
  readonly weights: number;
  /** Makes the planes of a part; they replace those of the part before. */
  readonly part: (feature: number) => Scales;
}

/** Numbers in the planes that `planesOf` makes. */
export const planeRoom = ({ queries, keys }: Call, { order, radius }: LinearAttentionAttributes): number =>
  ((radius > 0 ? 1 : 0) + (order === 2 ? 2 : 0)) * (queries + keys) + keys;

/** Planes of q, k and key weights that forward and backward both use. */
export function planesOf(
  factors: Factors,
  { queries, keys, sizes: { width } }: Call,
  { order, radius }: LinearAttentionAttributes,
  [q, k]: readonly [Buffer, Buffer],
  keyWeights: Operand | undefined,
): Planes {
  const lengthQ = radius > 0 ? factors.lengths(q, queries, width, radius) : 0;
  const lengthK = radius > 0 ? factors.lengths(k, keys, width, radius) : 0;
  const weights = keyWeights ? factors.combine(factors.make(keys), keys, [], bufferOf(keyWeights), 1, 0) : 0;
  const [hatQ, scaleQ] = order === 2 ? [factors.make(queries), factors.make(queries)] : [0, 0];
  const [hatK, scaleK] = order === 2 ? [factors.make(keys), factors.make(keys)] : [0, 0];
  const part = (feature: number): Scales => {
    if (feature < 0) return { q: lengthQ, k: lengthK, hatQ: 0, hatK: 0 };
    factors.combine(hatQ, queries, [lengthQ], q, width, feature);
    factors.combine(hatK, keys, [lengthK], k, width, feature);
    factors.combine(scaleQ, queries, [lengthQ, hatQ]);
    factors.combine(scaleK, keys, [lengthK, hatK]);
    return { q: scaleQ, k: scaleK, hatQ, hatK };
  };
  return { lengthQ, lengthK, weights, part };
}
