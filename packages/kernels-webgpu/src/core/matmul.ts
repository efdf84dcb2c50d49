import type { Tensor } from '@linattn/math';
import { bufferOf, type Gpu, gridOf } from '../runtime/gpu.ts';
import type { Buffer } from '../runtime/pool.ts';
import { fourOf, storeOf, units as unitOf } from '../runtime/rows.ts';
import fewRowsSource from './few-rows.wgsl?raw';
import { toFloat32 } from './float16.ts';
import source from './matmul.wgsl?raw';
import { largest, type Numbers, productOnUnits, statisticsColumns } from './matrix-product.ts';
import productSource from './product.wgsl?raw';
import { reduceSplits } from './reduce.ts';

export interface Product {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly batch: number;
  readonly transposeA: boolean;
  readonly transposeB: boolean;
}

/** What becomes of each element before it is stored. */
export interface Epilogue {
  readonly name: string;
  /** Bindings from 4 on, and `fn finish(row: u32, column: u32, v: vec4f) -> vec4f` for four columns (some may be past the end). */
  readonly text: string;
  readonly buffers: readonly Buffer[];
}

export interface ProductOptions {
  readonly epilogue?: Epilogue;
  /** First elements of A and B. */
  readonly start?: readonly [a: number, b: number];
  /** What the epilogue calls the first column. */
  readonly column0?: number;
  /** Is added to, and given back. */
  readonly into?: Buffer;
  /** Numbers whose largest magnitude A's is not over: where matrix units have to know it, they are read instead of A. */
  readonly bound?: Numbers;
}

interface Tile {
  readonly BM: number;
  readonly BN: number;
  readonly BK: number;
  readonly TY: number;
  readonly TX: number;
}

// 16 rows by 8 columns an invocation: what they share is read from workgroup memory, which holds them up, less often than with 8 by 8.
const large: Tile = { BM: 128, BN: 128, BK: 16, TY: 8, TX: 16 };
const medium: Tile = { BM: 64, BN: 64, BK: 16, TY: 8, TX: 8 };
const small: Tile = { BM: 32, BN: 32, BK: 16, TY: 8, TX: 8 };

const bytesOf = ({ BM, BN, BK }: Tile): number => 16 * BK * (BM / 4 + BN / 4 + 2);

/** Workgroups that keep a large GPU busy. */
const plenty = 264;
/** Terms of K that one split sums at least. */
const shortest = 256;
const mostSplits = 64;

const tilesOf = ({ BM, BN }: Tile, { m, n, batch }: Product): number => Math.ceil(m / BM) * Math.ceil(n / BN) * batch;

const splitsOf = (tile: Tile, size: Product): number => {
  const wanted = Math.max(1, Math.floor(plenty / tilesOf(tile, size)));
  return Math.min(wanted, Math.ceil(size.k / shortest), mostSplits);
};

function chooseTile(size: Product, workgroupBytes: number, whole: boolean): Tile {
  const groups = tilesOf(large, size) * (whole ? 1 : splitsOf(large, size));
  if (groups >= plenty / 2 && Math.min(size.m, size.n) > 64) {
    return bytesOf(large) <= workgroupBytes ? large : { ...large, BK: 8 };
  }
  return tilesOf(medium, size) >= plenty / 2 || (size.m > 32 && size.n > 32) ? medium : small;
}

const plain: Epilogue = {
  name: '',
  text: 'fn finish(row: u32, column: u32, v: vec4f) -> vec4f { return v; }',
  buffers: [],
};

/** Adds `bias` [n] to every row. */
const biased = (bias: Buffer): Epilogue => ({
  name: ' bias',
  text: `@group(0) @binding(4) var<storage, read> bias: array<f32>;
fn finish(row: u32, column: u32, v: vec4f) -> vec4f {
  let last = p.n - 1u;
  return v + vec4f(bias[column], bias[min(column + 1u, last)], bias[min(column + 2u, last)], bias[min(column + 3u, last)]);
}`,
  buffers: [bias],
});

/** C [batch, m, n] = op(A) op(B), in float32; A and B may be stored in float16. */
export function product(gpu: Gpu, a: Buffer, b: Buffer, size: Product, options: ProductOptions = {}): Buffer {
  const { m, n, k, batch } = size;
  const { epilogue = plain, into } = options;
  if (isFewRows(size) && !into) return fewRows(gpu, a, b, size, options);
  // Only a whole sum can be finished.
  const whole = epilogue !== plain || into !== undefined;
  const tile = tileOf(gpu, size, options.start, () =>
    chooseTile(size, gpu.device.limits.maxComputeWorkgroupStorageSize, whole),
  );
  const kPerSplit = Math.ceil(k / (whole ? 1 : splitsOf(tile, size)) / 16) * 16;
  const used = Math.ceil(k / kPerSplit);
  const out = into ?? gpu.take('matmul', used * batch * m * n);
  const c = `@group(0) @binding(1) var<storage, read_write> c: array<Unit>;
fn statsStore(at: u32, v: vec2f) {}
`;
  launch(gpu, tile, a, b, size, options, epilogue, { out, c, used, kPerSplit, stats: false });
  if (used === 1) return out;
  const total = reduceSplits(gpu, out, used, batch * m * n);
  gpu.give(out);
  return total;
}

/** Knob that benchmarks turn: rows that few-rows.wgsl takes, 8 at most. A tile of matmul.wgsl would make 32 of them, and its products would take longer than B's way from memory. */
export const fewRowsTuning = { most: 8 };

const isFewRows = ({ m, batch, transposeA, transposeB }: Product): boolean =>
  m <= fewRowsTuning.most && batch === 1 && !transposeA && transposeB;

function fewRows(
  gpu: Gpu,
  a: Buffer,
  b: Buffer,
  size: Product,
  { epilogue = plain, start = [0, 0], column0 = 0 }: ProductOptions,
): Buffer {
  const { m, n, k } = size;
  const out = gpu.take('matmul', m * n);
  const vector = !gpu.software && rowsInFours(size, start);
  const c = `@group(0) @binding(1) var<storage, read_write> c: array<Unit>;\n${storeOf('c', vector)}`;
  gpu.run(
    {
      name: `few rows ${vector ? 4 : 1}${formats(a, b)}${epilogue.name}`,
      source: fewRowsSource,
      constants: { ROWS: m },
      declarations: operands(vector, a, b) + c + epilogue.text,
    },
    [out, a, b, ...epilogue.buffers],
    [m, n, k, 1, 1, k, ...start, column0],
    gridOf(n, 32),
  );
  return out;
}

/** Declares A and B. */
const operands = (vector: boolean, a: Buffer, b: Buffer): string =>
  [
    unitOf(vector),
    unitOf(vector, 'UnitA', a.half),
    unitOf(vector, 'UnitB', b.half),
    productSource,
    fourOf('a', vector, a.half),
    fourOf('b', vector, b.half),
  ].join('\n');

/** What of A and B is stored in float16, for a program's name. */
const formats = (a: Buffer, b: Buffer): string => `${a.half ? ' a16' : ''}${b.half ? ' b16' : ''}`;

/** Rows of A, B and C as they are stored begin on multiples of four numbers, so that four are one load. */
const rowsInFours = ({ m, n, k, transposeA, transposeB }: Product, start: readonly number[]): boolean =>
  [transposeA ? m : k, transposeB ? k : n, n, ...start].every((extent) => extent % 4 === 0);

/** What matrix units ask for. */
const inFours = ({ m, n, k }: Product, start: readonly number[] = []): boolean =>
  [m, n, k, ...start].every((extent) => extent % 4 === 0);

/** Software adapters have one small tile; emulated matrix units (a test's) the one that they have. */
function tileOf(gpu: Gpu, size: Product, start: readonly number[] | undefined, choose: () => Tile): Tile {
  if (!gpu.software) return choose();
  return gpu.matrix && inFours(size, start) ? large : small;
}

/** Matrix units take what the large tile does. */
const onUnits = (gpu: Gpu, { BM }: Tile, size: Product, start?: readonly number[]): boolean =>
  gpu.matrix !== undefined && BM === large.BM && inFours(size, start);

/** Wide tiles, which leave few statistics. */
const statisticsTile = (gpu: Gpu): Tile =>
  bytesOf(large) <= gpu.device.limits.maxComputeWorkgroupStorageSize ? large : medium;

/** Bytes that `rowStatistics` of n columns takes for a row. */
export const statisticsBytes = (gpu: Gpu, n: number): number =>
  8 * (Math.ceil(n / (gpu.software ? small : medium).BN) + 1);

/**
 * Of each row of C = op(A) op(B), tile by tile of its columns, the largest element and Σ exp(c - largest): [tiles, m, 2]. C itself is
 * never stored.
 * @param start the first element of A.
 */
export function rowStatistics(
  gpu: Gpu,
  a: Buffer,
  b: Buffer,
  size: Product,
  start: number,
): { stats: Buffer; tiles: number } {
  const { m, n, k } = size;
  const options = { start: [start, 0] } as const;
  const tile = tileOf(gpu, size, options.start, () => statisticsTile(gpu));
  // All of a workgroup's columns come together, or a subgroup's.
  const tiles = Math.ceil(n / tile.BN) * (onUnits(gpu, tile, size, options.start) ? tile.BN / statisticsColumns : 1);
  const out = gpu.take('matmul', 2 * tiles * m);
  const c = `@group(0) @binding(1) var<storage, read_write> c: array<vec2f>;
fn statsStore(at: u32, v: vec2f) { c[at] = v; }
`;
  const kPerSplit = Math.ceil(k / 16) * 16;
  launch(gpu, tile, a, b, size, options, plain, { out, c, used: 1, kPerSplit, stats: true });
  return { stats: out, tiles };
}

interface Launch {
  readonly out: Buffer;
  /** Declares C. */
  readonly c: string;
  readonly used: number;
  readonly kPerSplit: number;
  /** Statistics of rows instead of C. */
  readonly stats: boolean;
}

function launch(
  gpu: Gpu,
  tile: Tile,
  a: Buffer,
  b: Buffer,
  size: Product,
  { start = [0, 0], column0 = 0, into, bound }: ProductOptions,
  epilogue: Epilogue,
  { out, c, used, kPerSplit, stats }: Launch,
): void {
  const { m, n, k, batch, transposeA, transposeB } = size;
  const units = onUnits(gpu, tile, size, start) ? gpu.matrix : undefined;
  const vector = units !== undefined || (!gpu.software && rowsInFours(size, start));
  // Only matrix units, and what looks for largest numbers, cannot read float16.
  const expanded: Buffer[] = [];
  const operand = (x: Buffer, elements: number): Buffer => {
    if (!units || !x.half) return x;
    expanded.push(toFloat32(gpu, x, elements));
    return expanded.at(-1)!;
  };
  const left = operand(a, start[0] + batch * m * k);
  const right = operand(b, start[1] + batch * k * n);
  const writes = stats
    ? 'fn cFour(at: u32, left: u32) -> vec4f { return vec4f(); }\nfn cStore(at: u32, left: u32, v: vec4f) {}\n'
    : fourOf('c', vector) + storeOf('c', vector);
  const declarations = [operands(vector, left, right), c, writes, epilogue.text];
  const forms = {
    TA: Number(transposeA),
    TB: Number(transposeB),
    ADD: Number(into !== undefined),
    STATS: Number(stats),
  };
  const buffers = [out, left, right, ...epilogue.buffers];
  const params = [m, n, k, batch, used, kPerSplit, ...start, column0];
  const grid = [Math.ceil(n / tile.BN), Math.ceil(m / tile.BM), batch * used] as const;
  if (units) {
    const tops = largest(gpu, units, [
      bound ?? { buffer: left, start: start[0], count: batch * m * k },
      { buffer: right, start: start[1], count: batch * k * n },
    ]);
    const program = productOnUnits(units, `matmul${epilogue.name}`, declarations, forms, buffers.length + 1);
    gpu.run(program, [...buffers, tops], params, grid);
    gpu.give(tops, ...expanded);
    return;
  }
  gpu.run(
    {
      name: `matmul${vector ? 4 : 1}${formats(left, right)}${epilogue.name}`,
      source,
      constants: { ...tile, ...forms },
      declarations: declarations.join('\n'),
    },
    buffers,
    params,
    grid,
  );
}

/** For tensors of the operation `matmul`. */
export function matmul(
  gpu: Gpu,
  a: Tensor,
  b: Tensor,
  { transposeA, transposeB }: { readonly transposeA: boolean; readonly transposeB: boolean },
): Buffer {
  const [rows, columns] = a.shape.slice(-2);
  const [m, k] = transposeA ? [columns, rows] : [rows, columns];
  const n = b.shape[b.rank - (transposeB ? 2 : 1)];
  return product(gpu, bufferOf(a), bufferOf(b), { m, n, k, batch: a.size / (m * k), transposeA, transposeB });
}

/** x [rows, k] weightᵀ [k, n], with `bias` [n] added to every row where it is given. */
export const linear = (gpu: Gpu, x: Tensor, weight: Tensor, bias: Tensor | undefined): Buffer => {
  const [n, k] = weight.shape;
  const size = { m: x.size / k, n, k, batch: 1, transposeA: false, transposeB: true };
  return product(gpu, bufferOf(x), bufferOf(weight), size, bias ? { epilogue: biased(bufferOf(bias)) } : {});
};
