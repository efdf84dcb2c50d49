import type { KernelTable, SoftmaxAttentionAttributes, Tensor } from '@linattn/math';
import { bufferOf, type Gpu, gridOf } from '../runtime/gpu.ts';
import type { Buffer } from '../runtime/pool.ts';
import { bits } from '../runtime/recorder.ts';
import { fourOf, storeOf, units } from '../runtime/rows.ts';
import deltaSource from './delta.wgsl?raw';
import tileSource from './tile.wgsl?raw';
import { chooseTile, extentOf, type Mode, modes } from './tiles.ts';

/** What a kernel reads, and the tokens it walks; x and y are what weights are made of, z what they weigh. */
interface Operands {
  readonly rows: number;
  readonly columns: number;
  /** Of x and y: of the scores, and of dO·v. */
  readonly widths: readonly [number, number];
  readonly x: readonly [Buffer, Buffer];
  readonly y: readonly [Buffer, Buffer];
  readonly z: Buffer;
  readonly logSum: Buffer;
  readonly delta: Buffer;
}

/** Forward writes logSum, the others read it. */
const logSumOf = (mode: Mode): string =>
  mode === 'forward'
    ? `@group(0) @binding(2) var<storage, read_write> logSum: array<f32>;
fn storeLogSum(at: u32, value: f32) { logSum[at] = value; }`
    : `@group(0) @binding(2) var<storage, read> logSum: array<f32>;
fn storeLogSum(at: u32, value: f32) {}`;

/** Runs tile.wgsl: one output [B, rows, H, outWidth]. */
function tiles(
  gpu: Gpu,
  mode: Mode,
  [batch, heads]: readonly [number, number],
  outWidth: number,
  { mask, prefix, scale }: SoftmaxAttentionAttributes,
  { rows, columns, widths, x, y, z, logSum, delta }: Operands,
): Buffer {
  const pairs = batch * heads;
  const tile = chooseTile(outWidth, gpu.software);
  const extent = extentOf(tile);
  const out = gpu.take('softmaxAttention', pairs * rows * outWidth);
  const vector = !gpu.software && [...widths, outWidth].every((width) => width % 4 === 0);
  gpu.run(
    {
      name: `softmax ${mode}${vector ? 4 : 1}`,
      source: tileSource,
      constants: { ...tile, MODE: modes[mode] },
      declarations: [
        units(vector),
        logSumOf(mode),
        ...['x0', 'y0', 'x1', 'y1', 'z'].map((name) => fourOf(name, vector)),
        storeOf('out', vector),
      ].join('\n'),
    },
    [out, logSum, delta, x[0], y[0], x[1], y[1], z],
    [rows, columns, heads, ...widths, outWidth, Number(mask !== 'bidirectional'), prefix, bits(scale)],
    [pairs, Math.ceil(rows / extent.rows), Math.ceil(outWidth / extent.columns)],
  );
  return out;
}

/** δ = o · dO of each row. */
function deltaOf(gpu: Gpu, o: Tensor, dO: Tensor): Buffer {
  const width = o.shape[3];
  const rows = o.size / width;
  const delta = gpu.take('softmaxAttention', rows);
  gpu.run(
    { name: 'softmax delta', source: deltaSource, constants: {} },
    [delta, bufferOf(o), bufferOf(dO)],
    [rows, width],
    gridOf(rows, 32),
  );
  return delta;
}

/**
 * Softmax attention in tiles (FlashAttention-2, Dao 2023): the weights live in registers and are made again in backward. Each of dq, dk
 * and dv is a kernel of its own, a block of its rows to a workgroup, so nothing is summed across workgroups.
 */
export function softmaxKernels(gpu: Gpu): KernelTable {
  return {
    softmaxAttention: ([q, k, v], attributes) => {
      const [batch, rows, heads, width] = q!.shape;
      const [columns, valueWidth] = [k!.shape[1], v!.shape[3]];
      const logSum = gpu.take('softmaxAttention', batch * rows * heads);
      const [bq, bk, bv] = [q, k, v].map(bufferOf);
      const out = tiles(gpu, 'forward', [batch, heads], valueWidth, attributes, {
        rows,
        columns,
        widths: [width, valueWidth],
        x: [bq, bq],
        y: [bk, bk],
        z: bv,
        logSum,
        delta: gpu.nothing,
      });
      return [out, logSum];
    },

    softmaxAttentionBackward: ([q, k, v, o, logSum, dO], attributes) => {
      const [batch, queries, heads, width] = q!.shape;
      const [keys, valueWidth] = [k!.shape[1], v!.shape[3]];
      const [bq, bk, bv, bd] = [q, k, v, dO].map(bufferOf);
      const delta = deltaOf(gpu, o!, dO!);
      const shared = { widths: [width, valueWidth], logSum: bufferOf(logSum), delta } as const;
      const byQueries = { ...shared, rows: queries, columns: keys, x: [bq, bd], y: [bk, bv] } as const;
      const byKeys = { ...shared, rows: keys, columns: queries, x: [bk, bv], y: [bq, bd] } as const;
      const pairs = [batch, heads] as const;
      const gradients = [
        tiles(gpu, 'dq', pairs, width, attributes, { ...byQueries, z: bk }),
        tiles(gpu, 'dk', pairs, width, attributes, { ...byKeys, z: bq }),
        tiles(gpu, 'dv', pairs, valueWidth, attributes, { ...byKeys, z: bd }),
      ];
      gpu.give(delta);
      return gradients;
    },
  };
}
