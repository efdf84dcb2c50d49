import type { Gpu } from '../runtime/gpu.ts';
import type { Buffer } from '../runtime/pool.ts';
import { fourOf, storeOf, units } from '../runtime/rows.ts';
import type { Constants } from '../runtime/specialize.ts';
import chunkSource from './chunk.wgsl?raw';
import { type Factor, one } from './factors.ts';
import prefixSource from './prefix.wgsl?raw';
import runSource from './run.wgsl?raw';
import statesSource from './states.wgsl?raw';
import { type ChunkTile, chooseChunkTile, placesOf, softwareChunkTile } from './tiles.ts';

/** Rows of tokens with what each is scaled by. */
export interface Rows {
  readonly buffer: Buffer;
  readonly factor: Factor;
}

/** What all runs of one attention have in common. */
export interface Sizes {
  readonly batch: number;
  readonly heads: number;
  /** D and D_v of q, k and v. */
  readonly width: number;
  readonly valueWidth: number;
}

/** Tokens of the queries' and the keys' side; a causal run has the same of both. */
export interface Range {
  /** Tokens that the tensors have, and the first that takes part. */
  readonly tokens: readonly [x: number, y: number];
  readonly start: readonly [x: number, y: number];
  readonly length: readonly [x: number, y: number];
  readonly causal: boolean;
  readonly reverse: boolean;
}

/** Where a slot holds the state of T(x, y, z): as it was written (y, z), or seen with y and z exchanged. */
function layout({ width, valueWidth }: Sizes, exchanged: boolean) {
  const row = valueWidth + 1;
  return exchanged
    ? {
        features: valueWidth,
        columns: width,
        strideM: 1,
        strideJ: row,
        atS: row,
        atU: row + valueWidth,
        atZ: 0,
        atC: valueWidth,
      }
    : {
        features: width,
        columns: valueWidth,
        strideM: row,
        strideJ: 1,
        atS: row,
        atU: 0,
        atZ: row + valueWidth,
        atC: valueWidth,
      };
}

/** Knobs that benchmarks turn; the defaults are what the package uses. */
export interface Tuning {
  /** Workgroups to cut a run into. */
  workgroups: number;
  /** Replaces the choice of tiles. */
  tile?: (features: number, columns: number) => ChunkTile | undefined;
  /** Changes the chunk kernel's text; a change has a name, so that it is compiled apart. */
  edit?: { readonly name: string; readonly change: (source: string) => string };
}

export const tuning: Tuning = { workgroups: 528 };

/** A run's segments, with the buffer of their states: [pair, segments + 1, slot]; the last slot of a pair is the total. */
export interface Segments {
  readonly segment: number;
  readonly count: number;
  readonly slots: Buffer;
}

interface Operands {
  readonly x?: Rows;
  readonly y: Rows;
  readonly z: Rows;
  readonly alpha?: Factor;
  readonly beta: Factor;
  readonly omega: Factor;
  readonly o?: Factor;
}

/** What chunk.wgsl is to do: constants of the shader, or parameters where variants are dear. */
interface Mode {
  readonly causal: number;
  readonly extra: number;
  readonly accumulate: number;
  /** No feature or column is padding. */
  readonly full: number;
}

/** Which of x, α, y, β, z, ω and out have a plane of factors: a bit each. */
const planesMask = (factors: readonly Factor[]): number =>
  factors.reduce((mask, [, at], i) => mask | (at === 0 ? 0 : 1 << i), 0);

const slotOf = ({ width, valueWidth }: Sizes): number => (1 + width) * (valueWidth + 1);

function words(
  { heads }: Sizes,
  range: Range,
  side: 0 | 1,
  { segment, count }: Omit<Segments, 'slots'>,
  slot: number,
  at: ReturnType<typeof layout>,
  { x, y, z, alpha = one, beta, omega, o = one }: Operands,
  { causal, extra, accumulate, full }: Mode = { causal: 0, extra: 0, accumulate: 0, full: 0 },
): number[] {
  return [
    ...[...range.tokens, heads, segment],
    ...[...range.start, range.length[side], Number(range.reverse)],
    ...[count, slot, at.strideM, at.strideJ],
    ...[at.atS, at.atU, at.atZ, at.atC],
    ...[at.features, at.columns, causal, extra],
    ...[x?.factor ?? one, alpha, y.factor, beta, z.factor, omega, o].flat(),
    ...[accumulate, planesMask([x?.factor ?? one, alpha, y.factor, beta, z.factor, omega, o]), full],
  ];
}

/** Cuts a run so that all heads together fill the device, in whole chunks. */
function cut(pairs: number, tiles: number, length: number, chunk: number): { segment: number; count: number } {
  const wanted = Math.max(1, Math.floor(tuning.workgroups / (pairs * tiles)));
  const segment = Math.ceil(Math.ceil(length / wanted) / chunk) * chunk;
  return { segment, count: Math.ceil(length / segment) };
}

/** Where initial states come from and the final one goes: [pair, stateRows, D_v + 1], S from row `firstRow` on. */
export interface StateRows {
  readonly initial?: Buffer;
  /** What the phase before left, in the same rows: the run goes on from it instead. */
  readonly carried?: Buffer;
  readonly final?: Buffer;
  /** No phase comes after. */
  readonly last: boolean;
  readonly stateRows: number;
  readonly firstRow: number;
}

/** The states that every segment of a run begins with. The caller gives `slots` back. */
export function statesOf(
  gpu: Gpu,
  factors: Buffer,
  sizes: Sizes,
  range: Range,
  operands: Operands,
  state: StateRows,
): Segments {
  const pairs = sizes.batch * sizes.heads;
  const slot = slotOf(sizes);
  const at = layout(sizes, false);
  const extent = (size: number) =>
    gpu.software ? 4 : Math.min(16, Math.max(4, 2 ** Math.ceil(Math.log2(Math.ceil(size / 4)))));
  const [wide, deep] = [extent(at.columns), extent(at.features)];
  const tiles = Math.ceil(at.columns / (4 * wide)) * Math.ceil(at.features / (4 * deep));
  const segments = cut(pairs, 1, range.length[1], 32);
  const slots = gpu.take('linearAttention states', pairs * (segments.count + 1) * slot);
  // The last segment's own sum is part of the total only.
  const total = !range.causal || state.final !== undefined;
  const known = total ? segments.count : segments.count - 1;
  if (known > 0) {
    const { y, z } = operands;
    const fixed: Constants = gpu.software
      ? {}
      : { PLANES: planesMask([one, one, y.factor, operands.beta, z.factor, operands.omega]) };
    const [vectorY, vectorZ] = [at.features, at.columns].map((size) => !gpu.software && size % 4 === 0);
    gpu.run(
      {
        name: `states${Number(vectorY)}${Number(vectorZ)}`,
        source: gpu.software ? statesOfAnyMode : statesSource,
        constants: { C: 16, M4: deep, J4: wide, TY: 8, TX: Math.min(16, wide), ...fixed },
        declarations: [
          runSource,
          units(vectorY, 'XUnit'),
          units(vectorZ, 'ZUnit'),
          fourOf('y', vectorY),
          fourOf('z', vectorZ),
        ].join('\n'),
      },
      [factors, operands.y.buffer, operands.z.buffer, slots],
      words(sizes, range, 1, segments, slot, at, operands),
      [known, pairs, tiles],
    );
  }
  gpu.run(
    { name: 'prefix', source: prefixSource, constants: {} },
    [slots, state.initial ?? gpu.nothing, state.final ?? gpu.scrap, state.carried ?? gpu.nothing],
    [
      slot,
      segments.count,
      known,
      pairs,
      sizes.valueWidth + 1,
      state.stateRows,
      state.firstRow,
      Number(state.initial !== undefined),
      Number(state.final !== undefined),
      Number(state.firstRow === 1),
      sizes.width,
      Number(state.carried !== undefined),
      Number(state.last),
    ],
    [Math.ceil(slot / 64), pairs],
  );
  return { ...segments, slots };
}

const statesOfAnyMode = statesSource.replaceAll(/\bPLANES\b/g, 'p.planes');

const chunkOfAnyMode = chunkSource
  .replaceAll(/\bCAUSAL\b/g, 'p.causal')
  .replaceAll(/\bEXTRA\b/g, 'p.extra')
  .replaceAll(/\bACC\b/g, 'p.accumulate')
  .replaceAll(/\bFULL\b/g, 'p.full')
  .replaceAll(/\bPLANES\b/g, 'p.planes');

/** What is done with G = Σ P ω. */
export const extras = { none: 0, divide: 1, keep: 2, sum: 3 } as const;

export interface Target {
  readonly out: Buffer;
  /** Adds to `out` (and to a kept G). */
  readonly accumulate?: boolean;
  readonly extra: keyof typeof extras;
  /** G, a number a row of x. */
  readonly g?: Buffer;
  /** With `sum`: Σ aux · out is summed too. */
  readonly aux?: Buffer;
}

/**
 * T for a run, from its segments' states (`exchanged`: with y and z exchanged). With `sum`, gives [workgroups, 2] partial sums, which the
 * caller gives back, and their number.
 */
export function chunks(
  gpu: Gpu,
  factors: Buffer,
  sizes: Sizes,
  range: Range,
  operands: Operands & { readonly x: Rows },
  segments: Segments,
  exchanged: boolean,
  target: Target,
): { readonly partial?: Buffer; readonly count: number } {
  const pairs = sizes.batch * sizes.heads;
  const at = layout(sizes, exchanged);
  const limit = gpu.device.limits.maxComputeWorkgroupStorageSize;
  const tile = gpu.software
    ? softwareChunkTile(at.features)
    : (tuning.tile?.(at.features, at.columns) ?? chooseChunkTile(at.features, at.columns, limit));
  const tiles = Math.ceil(at.columns / (4 * tile.TV4));
  const { causal } = range;
  // Without a mask rows are independent: they are cut anew.
  const parts = causal ? segments : { ...cut(pairs, tiles, range.length[0], tile.C), count: segments.count };
  const groups = causal ? segments.count : Math.ceil(range.length[0] / parts.segment);
  const count = groups * pairs * tiles;
  const partial = target.extra === 'sum' ? gpu.take('linearAttention sums', 2 * count) : undefined;
  const [vectorX, vectorZ] = [at.features, at.columns].map((size) => !gpu.software && size % 4 === 0);
  const mode: Mode = {
    causal: Number(causal),
    extra: extras[target.extra],
    accumulate: Number(target.accumulate ?? false),
    full: Number(at.features === 4 * tile.D4 && at.columns % (4 * tile.TV4) === 0),
  };
  const { x, alpha = one, y, beta, z, omega, o = one } = operands;
  const planes = planesMask([x.factor, alpha, y.factor, beta, z.factor, omega, o]);
  const fixed: Constants = gpu.software
    ? {}
    : { CAUSAL: mode.causal, EXTRA: mode.extra, ACC: mode.accumulate, FULL: mode.full, PLANES: planes };
  gpu.run(
    {
      name: `chunk${Number(vectorX)}${Number(vectorZ)}${tuning.edit?.name ?? ''}`,
      source: gpu.software ? chunkOfAnyMode : (tuning.edit?.change(chunkSource) ?? chunkSource),
      constants: { ...tile, ...placesOf(tile), ...fixed },
      declarations: [
        runSource,
        units(vectorX, 'XUnit'),
        units(vectorZ, 'ZUnit'),
        fourOf('x', vectorX),
        fourOf('y', vectorX),
        ...['z', 'out', 'aux'].map((name) => fourOf(name, vectorZ)),
        storeOf('out', vectorZ),
      ].join('\n'),
    },
    [
      factors,
      operands.x.buffer,
      operands.y.buffer,
      operands.z.buffer,
      segments.slots,
      target.out,
      target.g ?? partial ?? gpu.scrap,
      target.aux ?? gpu.nothing,
    ],
    words(sizes, range, 0, parts, slotOf(sizes), at, operands, mode),
    [groups, pairs, tiles],
  );
  return { partial, count };
}
