import { type Gpu, gridOf } from '../runtime/gpu.ts';
import { type Buffer, view } from '../runtime/pool.ts';
import type { Program } from '../runtime/program.ts';
import { bits, type Grid } from '../runtime/recorder.ts';
import { fourOf, storeOf, units } from '../runtime/rows.ts';
import type { Constants } from '../runtime/specialize.ts';
import chunkSource from './chunk.wgsl?raw';
import { type Factor, ofPart, one } from './factors.ts';
import fillNumbersSource from './fill-numbers.wgsl?raw';
import fillVectorsSource from './fill-vectors.wgsl?raw';
import { matrixChunk, matrixFor, matrixWidth } from './matrix.ts';
import prefixSource from './prefix.wgsl?raw';
import runSource from './run.wgsl?raw';
import statesSource from './states.wgsl?raw';
import { type ChunkTile, chooseChunkTile, chooseStateTile, type Room, type StateTile } from './tiles.ts';

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
  /** The heads that take part, of all batch x heads: the first, and how many. */
  readonly pairs: readonly [first: number, count: number];
  /** Tokens of the longest slab of the same run: all take buffers of its size, so that the pool has one. */
  readonly room?: number;
}

/** A slot of run.wgsl: S with its rows padded, U, Z and c; and the same seen with y and z exchanged (S transposed). */
function layout({ width, valueWidth }: Sizes, exchanged = false) {
  const [deep, strideS] = [width, valueWidth].map((size) => Math.ceil(size / 4) * 4);
  const [atU, atZ] = [deep * strideS, (deep + 1) * strideS];
  const atC = atZ + deep;
  const slot = atC + 4;
  return exchanged
    ? { features: valueWidth, columns: width, strideS, atU: atZ, atZ: atU, atC, slot }
    : { features: width, columns: valueWidth, strideS, atU, atZ, atC, slot };
}

/** Knobs that benchmarks turn; the defaults are what the package uses. */
export interface Tuning {
  /** Workgroups to cut a run into, for its states. */
  workgroups: number;
  /**
   * Bytes of chunks' states that exist at a time at D = 64, and so many times more as a wider head's state is larger; twice as many
   * backward, where more tensors do.
   */
  slabBytes: number;
  /** Second-order parts of f that are worked on at once, where there is room. */
  parts: number;
  /** Change the choice of tiles. */
  adjust?: (tile: ChunkTile) => ChunkTile;
  adjustStates?: (tile: StateTile) => StateTile;
}

export const tuning: Tuning = { workgroups: 528, slabBytes: 128 * 2 ** 20, parts: Number.POSITIVE_INFINITY };

const roomOf = ({ software, device }: Gpu): Room => ({
  software,
  bytes: device.limits.maxComputeWorkgroupStorageSize,
});

function chunkTile(gpu: Gpu, columns: number): ChunkTile {
  const tile = chooseChunkTile(columns, roomOf(gpu));
  return tuning.adjust?.(tile) ?? tile;
}

/** Tokens of a chunk: the same for all kernels of an attention. */
const chunkOf = (gpu: Gpu, sizes: Sizes): number =>
  matrixFor(gpu, sizes) ? matrixChunk : chunkTile(gpu, sizes.valueWidth).C;

/** Chunks along x of the grid at most. */
const mostChunks = 32_768;

/**
 * Cuts runs so that the states that exist at a time take about `bytes` (Tuning) at most: into groups of heads where the states of all would
 * be too many, and causal runs into slabs of tokens, one after the other. A list of runs for each group.
 */
export function slabs(gpu: Gpu, sizes: Sizes, ranges: readonly Range[], bytes: number): Range[][] {
  const C = chunkOf(gpu, sizes);
  const { atU: state } = layout(sizes);
  // U, Z and rounding come on top.
  const room = Math.min(bytes * Math.max(1, state / 64 ** 2), gpu.device.limits.maxStorageBufferBindingSize / 2);
  const states = Math.floor(room / (4 * state));
  const pairs = sizes.batch * sizes.heads;
  // A head has a chunk's state at least, and what its only segment begins with and adds.
  const group = Math.max(1, Math.min(pairs, Math.floor(states / 3)));
  const most = Math.max(1, Math.min(mostChunks, Math.floor(states / group))) * C;
  const cuts = ranges.flatMap((range) => {
    const { causal, start, length } = range;
    const parts = causal ? Math.ceil(length[0] / most) : 1;
    const size = Math.ceil(length[0] / parts / C) * C;
    return Array.from({ length: parts }, (_, i) => i * size)
      .filter((at) => at < length[0])
      .map((at) => {
        if (parts === 1) return range;
        const left = Math.min(size, length[0] - at);
        return { ...range, start: [start[0] + at, start[1] + at], length: [left, left], room: size } as const;
      });
  });
  return Array.from({ length: Math.ceil(pairs / group) }, (_, i) =>
    cuts.map((range) => ({ ...range, pairs: [group * i, Math.min(group, pairs - group * i)] as const })),
  );
}

/** A run's segments, with the buffer of their states (run.wgsl): a region for each of the parts of f that are worked on at once. */
export interface Segments {
  readonly segment: number;
  readonly count: number;
  /** Where chunks' states begin in a region. */
  readonly locals: number;
  /** Numbers of a region. */
  readonly region: number;
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
  /** Parts of f that are added up. */
  readonly parts: number;
  readonly exchanged: number;
  readonly lengths: number;
  readonly inverseRadius2: number;
  /** Where this dispatch's partial sums begin. */
  sumsAt: number;
}

const plain: Mode = {
  ...{ causal: 0, extra: 0, accumulate: 0, full: 0, exchanged: 0 },
  ...{ lengths: 0, inverseRadius2: 0, sumsAt: 0, parts: 1 },
};

/** Which of x, α, y, β, z, ω and out have a plane of factors: a bit each. */
const planesMask = (factors: readonly Factor[]): number =>
  factors.reduce((mask, [, at], i) => mask | (at === 0 ? 0 : 1 << i), 0);

function words(
  { heads }: Sizes,
  range: Range,
  side: 0 | 1,
  { segment, count, locals, region }: Omit<Segments, 'slots'>,
  at: ReturnType<typeof layout>,
  chunk: number,
  { x, y, z, alpha = one, beta, omega, o = one }: Operands,
  { causal, extra, accumulate, full, exchanged, lengths, inverseRadius2, sumsAt, parts }: Mode = plain,
): number[] {
  const factors = [x?.factor ?? one, alpha, y.factor, beta, z.factor, omega, o];
  return [
    ...[...range.tokens, heads, segment],
    ...[...range.start, range.length[side], Number(range.reverse)],
    ...[count, at.slot, at.strideS, locals],
    ...[at.atU, at.atZ, at.atC, chunk],
    ...[at.features, at.columns, causal, extra],
    ...factors.flatMap((factor) => factor.slice(0, 2) as number[]),
    ...[accumulate, planesMask(factors), full, exchanged],
    ...[sumsAt, range.pairs[0], lengths, bits(inverseRadius2)],
    ...[parts, Number(parts > 1), region, range.pairs[1]],
    ...[x?.factor, alpha, y.factor, z.factor].map((factor) => factor?.[2] ?? 0),
  ];
}

/** Cuts a run so that all heads together fill the device, in whole chunks. */
function cut(pairs: number, length: number, chunk: number): { segment: number; count: number } {
  const wanted = Math.max(1, Math.floor(tuning.workgroups / pairs));
  const segment = Math.ceil(Math.ceil(length / wanted) / chunk) * chunk;
  return { segment, count: Math.ceil(length / segment) };
}

/**
 * Where initial states come from and the final one goes: [pair, stateRows, D_v + 1], S from row `firstRow` on; of all heads, what passes
 * between phases of the run's own.
 */
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

function prefixGrid(slot: number, pairs: number): Grid {
  const [x, y] = gridOf(slot, 256);
  return [x, y, pairs];
}

/** How a run is cut, and the numbers that the slots of one part take. */
function slotsOf(gpu: Gpu, sizes: Sizes, { causal, pairs: [, pairs], length, room = length[1] }: Range) {
  const C = chunkOf(gpu, sizes);
  const cuts = cut(pairs, length[1], C);
  // What segments begin with, the totals, and a slot of zeros.
  const own = pairs * (cuts.count + 1) + 1;
  const needed = ({ count, segment }: typeof cuts) => 1 + pairs * (1 + (causal ? (count * segment) / C : count));
  const { slot } = layout(sizes);
  // Regions begin where a binding may.
  const region = Math.ceil((Math.max(needed(cuts), needed(cut(pairs, room, C))) * slot) / 64) * 64;
  return { ...cuts, locals: own * slot, region };
}

/** Workgroups along an axis of the grid at most, on every device. */
const mostGroups = 65_535;

/** Second-order parts of f that are worked on at once: as many as have their states in `bytes`, and their planes in as much. */
export function partsAtOnce(gpu: Gpu, sizes: Sizes, groups: readonly Range[][], planes: number, bytes: number): number {
  const room = Math.min(bytes, gpu.device.limits.maxStorageBufferBindingSize / 2) / 4;
  const most = groups.flat().map((range) => {
    const { region } = slotsOf(gpu, sizes, range);
    return Math.min(room / Math.max(region, planes), mostGroups / range.pairs[1]);
  });
  return Math.max(1, Math.floor(Math.min(tuning.parts, sizes.width, ...most)));
}

/**
 * The states that every segment of a run begins with, and of a causal run what every chunk adds. The caller gives `slots` back.
 * @param parts so many parts at once: y's factors have a plane for each.
 */
export function statesOf(
  gpu: Gpu,
  factors: Buffer,
  sizes: Sizes,
  range: Range,
  operands: Operands,
  state: StateRows,
  parts: number,
): Segments {
  const at = layout(sizes);
  const {
    causal,
    pairs: [firstPair, pairs],
  } = range;
  const C = chunkOf(gpu, sizes);
  const cuts = slotsOf(gpu, sizes, range);
  const slots = gpu.take('linearAttention states', parts * cuts.region);
  const segments = { ...cuts, slots };
  // A single chunk sees what came before, alone; its own sum is part of the total only.
  if (!causal || state.final !== undefined || range.length[1] > C) {
    const { program, tiles } = statesProgram(gpu, sizes, causal, operands);
    gpu.run(
      program,
      [factors, operands.y.buffer, operands.z.buffer, slots],
      words(sizes, range, 1, segments, at, C, operands, { ...plain, causal: Number(causal) }),
      [cuts.count, parts * pairs, tiles],
    );
  }
  gpu.run(
    { name: 'prefix', source: prefixSource, constants: {} },
    [slots, state.initial ?? gpu.nothing, state.final ?? gpu.scrap, state.carried ?? gpu.nothing],
    [
      ...[at.slot, cuts.count, at.strideS, pairs],
      ...[sizes.width, sizes.valueWidth, state.stateRows, state.firstRow],
      ...[state.initial !== undefined, state.final !== undefined, state.firstRow === 1].map(Number),
      ...[state.carried !== undefined, state.last].map(Number),
      firstPair,
      cuts.region,
    ],
    prefixGrid(at.slot, parts * pairs),
  );
  return segments;
}

/** The kernel that sums states, and the tiles of S that a segment takes. */
function statesProgram(
  gpu: Gpu,
  sizes: Sizes,
  causal: boolean,
  { y, z, beta, omega }: Operands,
): { readonly program: Program; readonly tiles: number } {
  const { width, valueWidth } = sizes;
  const [vectorY, vectorZ] = [width, valueWidth].map((size) => !gpu.software && size % 4 === 0);
  const planes = planesMask([one, one, y.factor, beta, z.factor, omega]);
  const fixed: Constants = gpu.software ? {} : { PLANES: planes, EVERY: Number(causal) };
  const declarations = [
    runSource,
    units(vectorY, 'XUnit'),
    units(vectorZ, 'ZUnit'),
    fourOf('y', vectorY),
    fourOf('z', vectorZ),
  ];
  const chosen = chooseStateTile(width, valueWidth, gpu.software);
  const tile = tuning.adjustStates?.(chosen) ?? chosen;
  const FULL = Number(width % (4 * tile.M4) === 0 && valueWidth % (4 * tile.J4) === 0);
  const program = {
    name: `states${Number(vectorY)}${Number(vectorZ)}`,
    source: gpu.software ? ofAnyMode(statesSource) : statesSource,
    constants: gpu.software ? { ...tile } : { ...tile, ...fixed, FULL },
    declarations: declarations.join('\n'),
  };
  return { program, tiles: Math.ceil(valueWidth / (4 * tile.J4)) * Math.ceil(width / (4 * tile.M4)) };
}

const switches = {
  CAUSAL: 'causal',
  EVERY: 'causal',
  EXTRA: 'extra',
  ACC: 'accumulate',
  FULL: 'full',
  XCH: 'exchanged',
  MANY: 'many',
  PLANES: 'planes',
};
const anyModes = new Map<string, string>();

/** The same kernel with its switches as parameters; made once. */
function ofAnyMode(source: string): string {
  const made = anyModes.get(source);
  if (made !== undefined) return made;
  const text = Object.entries(switches).reduce(
    (rest, [name, parameter]) => rest.replaceAll(new RegExp(`\\b${name}\\b`, 'g'), `p.${parameter}`),
    source,
  );
  anyModes.set(source, text);
  return text;
}

const chunkTexts = { vectors: `${chunkSource}\n${fillVectorsSource}`, numbers: `${chunkSource}\n${fillNumbersSource}` };
const chunkText = ({ wholeVectors }: Gpu): string => chunkTexts[wholeVectors ? 'vectors' : 'numbers'];

/** A loop over parts, where there are several: around a single one, it costs some kernels a twentieth of their time. */
const eachPart = (many: boolean): string =>
  `// @block eachPart\n${many ? 'for (var part = 0u; part < p.parts; part++)' : 'let part = 0u;'}\n// @end\n`;

/** What one of several parts has. */
const ofPartAll = <O extends Operands>({ x, y, z, alpha, ...rest }: O, part: number) => {
  const rows = ({ buffer, factor }: Rows): Rows => ({ buffer, factor: ofPart(factor, part) });
  return { ...rest, x: rows(x!), y: rows(y), z: rows(z), alpha: alpha && ofPart(alpha, part) };
};

/** What is done with G = Σ P ω, which the first two leave out. */
export const extras = { none: 0, turn: 1, divide: 2, keep: 3, sum: 4 } as const;

export interface Target {
  readonly out: Buffer;
  /** Adds to `out` (and to a kept G). */
  readonly accumulate?: boolean;
  readonly extra: keyof typeof extras;
  /** G, a number a row of x. */
  readonly g?: Buffer;
  /** With `sum`: Σ aux · out is summed too. With `turn`: the rows, before normalisation, that `out` is the gradient of. */
  readonly aux?: Buffer;
  /** With `turn`: the plane of what these rows were scaled by, to be of length `radius`. */
  readonly turn?: { readonly lengths: number; readonly radius: number };
  /** With `sum`: where partial sums go, [.., 2], and how many there are before. */
  readonly sums?: { readonly partial: Buffer; readonly at: number };
}

/** Columns of a workgroup of `chunks`. */
export const columnsOf = (gpu: Gpu, sizes: Sizes, columns: number): number =>
  matrixFor(gpu, sizes) ? matrixWidth : 4 * chunkTile(gpu, columns).TV4;

/** Workgroups that `chunks` takes for a run with `columns` columns: so many partial sums it makes. */
export function chunkGroups(gpu: Gpu, sizes: Sizes, range: Range, columns: number): number {
  const tiles = Math.ceil(columns / columnsOf(gpu, sizes, columns));
  return Math.ceil(range.length[0] / chunkOf(gpu, sizes)) * range.pairs[1] * tiles;
}

/** T for a run, from its segments' states (`exchanged`: with y and z exchanged); of several parts of f their sum. */
export function chunks(
  gpu: Gpu,
  factors: Buffer,
  sizes: Sizes,
  range: Range,
  operands: Operands & { readonly x: Rows },
  segments: Segments,
  exchanged: boolean,
  target: Target,
  parts: number,
): void {
  const matrix = matrixFor(gpu, sizes);
  if (matrix && parts > 1) {
    for (let i = 0; i < parts; i++) {
      const own = { ...segments, slots: view(segments.slots, 4 * i * segments.region, 4 * segments.region) };
      const accumulate = target.accumulate || i > 0;
      const operandsOfPart = ofPartAll(operands, i);
      chunks(gpu, factors, sizes, range, operandsOfPart, own, exchanged, { ...target, accumulate }, 1);
    }
    return;
  }
  const [, pairs] = range.pairs;
  const at = layout(sizes, exchanged);
  const tile = chunkTile(gpu, at.columns);
  const C = chunkOf(gpu, sizes);
  const wide = columnsOf(gpu, sizes, at.columns);
  const deep = matrix ? wide : tile.KP;
  const tiles = Math.ceil(at.columns / wide);
  const [vectorX, vectorZ] = [at.features, at.columns].map((size) => !gpu.software && size % 4 === 0);
  const mode: Mode = {
    causal: Number(range.causal),
    extra: extras[target.extra],
    accumulate: Number(target.accumulate ?? false),
    full: Number(at.features % deep === 0 && at.columns % wide === 0),
    exchanged: Number(exchanged),
    lengths: target.turn?.lengths ?? 0,
    inverseRadius2: target.turn ? 1 / target.turn.radius ** 2 : 0,
    sumsAt: target.sums?.at ?? 0,
    parts,
  };
  const { x, alpha = one, y, beta, z, omega, o = one } = operands;
  const planes = planesMask([x.factor, alpha, y.factor, beta, z.factor, omega, o]);
  const { causal, extra, accumulate, full } = mode;
  const fixed: Constants = gpu.software
    ? {}
    : {
        CAUSAL: causal,
        EXTRA: extra,
        ACC: accumulate,
        FULL: full,
        XCH: mode.exchanged,
        PLANES: planes,
        MANY: Number(parts > 1),
      };
  const variant = `${Number(vectorX)}${Number(vectorZ)}`;
  const declarations = [
    eachPart(gpu.software || parts > 1),
    runSource,
    units(vectorX, 'XUnit'),
    units(vectorZ, 'ZUnit'),
    fourOf('x', vectorX),
    fourOf('y', vectorX),
    ...['z', 'out', 'aux'].map((name) => fourOf(name, vectorZ)),
    storeOf('out', vectorZ),
  ];
  const program: Program = matrix
    ? {
        name: `chunk on matrix units ${variant}`,
        source: gpu.software ? ofAnyMode(matrix.texts.chunk) : matrix.texts.chunk,
        constants: { PARTS: matrix.precision === 'split' ? 2 : 1, ...fixed },
        declarations: declarations.join('\n'),
        directives: matrix.texts.directives,
      }
    : {
        name: `chunk${variant}`,
        source: gpu.software ? ofAnyMode(chunkText(gpu)) : chunkText(gpu),
        constants: { ...tile, ...fixed },
        declarations: declarations.join('\n'),
      };
  const { slots } = segments;
  const sums = target.g ?? target.sums?.partial ?? gpu.scrap;
  const buffers = [factors, x.buffer, y.buffer, z.buffer, slots, target.out, sums, target.aux ?? gpu.nothing];
  // Without a mask rows are independent: a grid that would be too large is cut. (Causal runs were: see slabs.)
  const most = mostChunks * C;
  for (let start = 0; start < range.length[0]; start += most) {
    const length = Math.min(most, range.length[0] - start);
    const part = {
      ...range,
      start: [range.start[0] + start, range.start[1]],
      length: [length, range.length[1]],
    } as const;
    const groups = Math.ceil(length / C);
    gpu.run(program, buffers, words(sizes, part, 0, segments, at, C, operands, mode), [groups, pairs, tiles]);
    mode.sumsAt += groups * pairs * tiles;
  }
}
