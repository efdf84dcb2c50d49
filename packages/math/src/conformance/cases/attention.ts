import { softmaxAttention } from '../../network/softmax-attention.ts';
import { stateRows } from '../../ops/attention-conventions.ts';
import type { Mask } from '../../ops/attributes.ts';
import { linearAttention } from '../../ops/linear-attention.ts';
import { tripleProduct } from '../../ops/triple-product.ts';
import { type OpCase, opCase } from '../case.ts';
import { correlated, edited, given, type InputSpec, normal, uniform } from '../inputs.ts';

interface Sizes {
  readonly batch?: number;
  readonly queries: number;
  /** Default: as many as queries. */
  readonly keys?: number;
  readonly heads?: number;
  readonly width: number;
  /** D_v; default D. */
  readonly valueWidth?: number;
}

const resolved = ({ batch = 1, queries, keys = queries, heads = 1, width, valueWidth = width }: Sizes) => ({
  batch,
  queries,
  keys,
  heads,
  width,
  valueWidth,
});

const describe = (sizes: Sizes): string => {
  const { batch, queries, keys, heads, width, valueWidth } = resolved(sizes);
  return `B${batch} N${queries}${keys === queries ? '' : `/${keys}`} H${heads} D${width}${valueWidth === width ? '' : `/${valueWidth}`}`;
};

type Direction = 'forward' | 'reverse' | 'all';

function tripleCase(direction: Direction, sizes: Sizes, states: { initial?: boolean; final?: boolean } = {}): OpCase {
  const { batch, queries, keys, heads, width, valueWidth } = resolved(sizes);
  const { initial = false, final = false } = states;
  return opCase(
    'tripleProduct',
    `${direction} ${describe(sizes)}${initial ? ' initial state' : ''}${final ? ' final state' : ''}`,
    {
      x: normal([batch, queries, heads, width], 1 / Math.sqrt(width)),
      y: normal([batch, keys, heads, width]),
      z: normal([batch, keys, heads, valueWidth]),
      ...(initial ? { initialState: normal([batch, heads, width, valueWidth]) } : {}),
    },
    ({ x, y, z, initialState }) => {
      const { output, state } = tripleProduct(x, y, z, { direction, initialState, returnState: final });
      return { output, ...(state ? { state } : {}) };
    },
  );
}

const tripleCases = [
  ...(['forward', 'reverse', 'all'] as const).flatMap((direction) => [
    ...[1, 2, 63, 64, 65, 130, 257].map((queries) =>
      tripleCase(direction, { queries, heads: 2, width: 5, valueWidth: 3 }),
    ),
    tripleCase(direction, { batch: 2, queries: 70, heads: 3, width: 16 }, { initial: true, final: true }),
    tripleCase(direction, { queries: 5, width: 4 }, { initial: true }),
    tripleCase(direction, { queries: 67, width: 1, valueWidth: 9 }, { final: true }),
    tripleCase(direction, { queries: 33, width: 65, valueWidth: 64 }, { initial: true, final: true }),
  ]),
  tripleCase('all', { queries: 5, keys: 66, width: 7, valueWidth: 4 }, { initial: true, final: true }),
];

interface LinearOptions extends Sizes {
  readonly mask?: Mask;
  readonly prefix?: number;
  readonly order?: 1 | 2;
  /** 0: raw q and k. */
  readonly radius?: number;
  readonly initial?: boolean;
  readonly final?: boolean;
  readonly keyWeights?: 'mask' | 'positive';
  readonly learnable?: boolean;
  /** Every fifth query and key is zeros, without a direction to be normalised. */
  readonly zeros?: boolean;
  readonly size?: OpCase['size'];
}

// q and k whose products have standard deviation 0.1: f(x) = a + b x + c x² stays positive, so g is far from 0, with both signs of x.
const smallProducts = (width: number): number => Math.sqrt(0.1) / width ** 0.25;

// v follows k and the upstream gradient follows q: the terms of the coefficients' gradients then have a sign in common. Of
// independent draws they would be sums of terms that cancel, whose relative error says nothing.
const share = 0.7;

/** What 12 tokens are expected to leave, Σ ψ(k) wᵀ with entries of k of standard deviation `scale`, and some noise. */
const plausibleState = (shape: readonly number[], width: number, scale: number): InputSpec =>
  edited(normal(shape, 0.3), (values) => {
    const [batch, heads, rows, columns] = shape;
    const tokens = 12;
    for (let start = 0; start < batch * heads * rows * columns; start += rows * columns) {
      values[start + columns - 1] += tokens;
      for (let j = 0; j < columns - 1; j++) values[start + (1 + (j % width)) * columns + j] += tokens * share * scale;
      for (let d = 0; rows > 1 + width && d < width; d++) {
        values[start + (1 + width + d * (width + 1)) * columns + columns - 1] += tokens * scale * scale;
      }
    }
  });

/** Keys dropped at random, but the first of each row, which a causal first query needs. */
const dropped = (batch: number, keys: number, heads: number): InputSpec =>
  edited(uniform([batch, keys, heads], 0, 1), (values) => {
    for (let at = 0; at < values.length; at++) {
      values[at] = values[at] < 0.6 || at % (keys * heads) < heads ? 1 : 0;
    }
  });

function eachRow(values: Float64Array, width: number, visit: (row: Float64Array, i: number) => void): void {
  for (let i = 0; i * width < values.length; i++) visit(values.subarray(i * width, (i + 1) * width), i);
}

function linearAttentionCase(options: LinearOptions): OpCase {
  const { batch, queries, keys, heads, width, valueWidth } = resolved(options);
  const { mask = 'causal', prefix, order = 1, radius = 0.97, initial = false, final = false } = options;
  const { keyWeights, learnable = true, zeros = false, size = 'small' } = options;
  const scale = radius > 0 ? 1 : smallProducts(width);
  const usedScale = radius > 0 ? radius / Math.sqrt(width) : scale;
  const alone = queries === 1 && keys === 1 && !initial;
  const words = [
    `${mask}${prefix === undefined ? '' : ` ${prefix}`} ${describe(options)} order ${order}`,
    radius > 0 ? 'l2' : 'raw',
    initial && 'initial state',
    final && 'final state',
    keyWeights && `key weights (${keyWeights})`,
    !learnable && 'fixed a, b, c',
    zeros && 'zero vectors',
  ];
  const stateShape = [batch, heads, stateRows(width, order), valueWidth + 1];
  const tokens = (shape: readonly number[]) => {
    const drawn = normal(shape, scale);
    return zeros ? edited(drawn, (values) => eachRow(values, width, (row, i) => i % 5 === 3 && row.fill(0))) : drawn;
  };
  return opCase(
    'linearAttention',
    words.filter(Boolean).join(', '),
    {
      q: tokens([batch, queries, heads, width]),
      k: tokens([batch, keys, heads, width]),
      v: correlated([batch, keys, heads, valueWidth], 1, width, share),
      ...(learnable ? { coefficients: given([1.1, 0.8, 0.4]) } : {}),
      ...(initial ? { initialState: plausibleState(stateShape, width, usedScale) } : {}),
      ...(keyWeights === 'mask' ? { keyWeights: dropped(batch, keys, heads) } : {}),
      ...(keyWeights === 'positive' ? { keyWeights: uniform([batch, keys, heads], 0.5, 1.5) } : {}),
    },
    ({ q, k, v, coefficients, initialState, keyWeights }) => {
      const { output, denominator, state } = linearAttention(q, k, v, {
        mask,
        prefix,
        ...(coefficients ? { coefficients, order } : { a: 1.1, b: 0.8, c: order === 2 ? 0.4 : 0 }),
        ...(radius > 0 ? { normalize: 'l2', radius } : {}),
        initialState,
        keyWeights,
        returnState: final,
      });
      return { o: output, g: denominator, ...(state ? { state } : {}) };
    },
    {
      differentiable: ['q', 'k', 'v', ...(learnable ? ['coefficients'] : []), ...(initial ? ['initialState'] : [])],
      seeded: ['o', ...(final ? ['state'] : [])],
      upstream: { o: correlated([batch, queries, heads, valueWidth], 0, width, share) },
      size,
      // One token attends to itself alone: o = v whatever q, k and f are.
      ...(alone ? { cancels: { dq: 1, dcoefficients: 1, ...(final ? {} : { dk: 1 }) } } : {}),
    },
  );
}

const linearAttentionCases = [
  // Lengths around the sizes of chunks, raw and normalised, both orders.
  ...[1, 2, 63, 65, 257].flatMap((queries) =>
    ([1, 2] as const).flatMap((order) =>
      [0, 0.97].map((radius) => linearAttentionCase({ queries, heads: 2, width: 4, valueWidth: 3, order, radius })),
    ),
  ),
  // Every mask with states and key weights.
  ...([1, 2] as const).flatMap((order) =>
    [
      { mask: 'causal', queries: 70 } as const,
      { mask: 'bidirectional', queries: 5, keys: 66 } as const,
      { mask: 'bidirectional', queries: 66, keys: 3 } as const,
      { mask: 'prefix', prefix: 0, queries: 7 } as const,
      { mask: 'prefix', prefix: 1, queries: 9 } as const,
      { mask: 'prefix', prefix: 37, queries: 80 } as const,
      { mask: 'prefix', prefix: 6, queries: 6 } as const,
    ].flatMap((base) => {
      const at = { ...base, batch: 2, heads: 2, width: 5, valueWidth: 4, order };
      return [
        linearAttentionCase(at),
        linearAttentionCase({ ...at, initial: true, final: true }),
        linearAttentionCase({ ...at, radius: 0, final: true, keyWeights: 'mask' }),
        linearAttentionCase({ ...at, initial: true, keyWeights: 'positive' }),
      ];
    }),
  ),
  // Head dimensions: 1, odd, tile-sized, wide.
  linearAttentionCase({ queries: 33, width: 1, valueWidth: 1, radius: 0 }),
  linearAttentionCase({ queries: 33, width: 1, valueWidth: 5, radius: 0, order: 2 }),
  ...[8, 17, 32, 64].map((width) => linearAttentionCase({ queries: 70, width, final: true })),
  linearAttentionCase({ queries: 40, width: 16, order: 2, initial: true, final: true }),
  linearAttentionCase({ queries: 20, width: 32, order: 2 }),
  linearAttentionCase({ queries: 66, width: 64, valueWidth: 40, mask: 'bidirectional' }),
  linearAttentionCase({ queries: 66, width: 40, valueWidth: 64, mask: 'prefix', prefix: 20 }),
  linearAttentionCase({ queries: 66, width: 128, initial: true, final: true }),
  // Decoding: one token after many.
  linearAttentionCase({ batch: 3, queries: 1, heads: 2, width: 16, initial: true, final: true }),
  linearAttentionCase({ batch: 3, queries: 1, heads: 2, width: 8, initial: true, final: true, order: 2 }),
  linearAttentionCase({ batch: 2, queries: 33, heads: 2, width: 6, learnable: false }),
  linearAttentionCase({ batch: 2, queries: 33, heads: 2, width: 6, learnable: false, order: 2, radius: 0 }),
  linearAttentionCase({ queries: 70, heads: 2, width: 16, learnable: false, radius: 0 }),
  ...[true, false].flatMap((learnable) =>
    ([1, 2] as const).map((order) =>
      linearAttentionCase({ queries: 37, heads: 2, width: 6, order, learnable, zeros: true }),
    ),
  ),
  linearAttentionCase({ queries: 4096, width: 64, size: 'large' }),
  linearAttentionCase({ queries: 1500, keys: 2049, width: 32, mask: 'bidirectional', size: 'large' }),
  linearAttentionCase({ batch: 2, queries: 1025, heads: 2, width: 16, radius: 0, final: true, size: 'large' }),
];

interface SoftmaxOptions extends Sizes {
  readonly mask?: Mask;
  readonly prefix?: number;
  readonly scale?: number;
  readonly spread?: number;
  readonly size?: OpCase['size'];
}

function softmaxCase({ mask = 'causal', prefix, scale, spread = 1, size = 'small', ...sizes }: SoftmaxOptions): OpCase {
  const { batch, queries, keys, heads, width, valueWidth } = resolved(sizes);
  const words = [`${mask}${prefix === undefined ? '' : ` ${prefix}`} ${describe(sizes)}`];
  if (scale !== undefined) words.push(`scale ${scale}`);
  if (spread !== 1) words.push(`spread ${spread}`);
  return opCase(
    'softmaxAttention',
    words.join(', '),
    {
      q: normal([batch, queries, heads, width], spread),
      k: normal([batch, keys, heads, width], spread),
      v: normal([batch, keys, heads, valueWidth]),
    },
    ({ q, k, v }) => ({ o: softmaxAttention(q, k, v, { mask, prefix, scale }) }),
    // One key has weight 1 whatever q and k are.
    { size, ...(keys === 1 ? { cancels: { dq: 1, dk: 1 } } : {}) },
  );
}

const softmaxCases = [
  ...[1, 2, 63, 65, 129, 257].map((queries) => softmaxCase({ queries, heads: 2, width: 4, valueWidth: 3 })),
  softmaxCase({ batch: 2, queries: 66, keys: 5, heads: 2, width: 8, mask: 'bidirectional' }),
  softmaxCase({ batch: 2, queries: 5, keys: 130, heads: 2, width: 8, mask: 'bidirectional' }),
  softmaxCase({ queries: 1, keys: 33, heads: 2, width: 16, mask: 'bidirectional' }),
  ...[0, 1, 37, 80].map((prefix) => softmaxCase({ queries: 80, heads: 2, width: 6, mask: 'prefix', prefix })),
  softmaxCase({ queries: 200, width: 5, mask: 'prefix', prefix: 150 }),
  ...[1, 17, 64, 128].map((width) => softmaxCase({ queries: 34, width })),
  softmaxCase({ queries: 34, width: 64, valueWidth: 40 }),
  softmaxCase({ queries: 33, width: 8, scale: 0.05 }),
  // Scores of about ±20: their exponentials need the largest taken out.
  softmaxCase({ queries: 33, width: 8, spread: 2, scale: 1 }),
  softmaxCase({ queries: 513, width: 64, size: 'large' }),
];

export const attentionCases: readonly OpCase[] = [...tripleCases, ...linearAttentionCases, ...softmaxCases];
