import type { Tensor } from '@linattn/math';
import { bufferOf, type Gpu } from '../runtime/gpu.ts';
import type { Buffer } from '../runtime/pool.ts';
import { fourOf, storeOf, units } from '../runtime/rows.ts';
import source from './matmul.wgsl?raw';
import { reduceSplits } from './reduce.ts';

export interface Product {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly batch: number;
  readonly transposeA: boolean;
  readonly transposeB: boolean;
}

interface Tile {
  readonly BM: number;
  readonly BN: number;
  readonly BK: number;
  readonly TY: number;
  readonly TX: number;
}

const large: Tile = { BM: 128, BN: 128, BK: 16, TY: 16, TX: 16 };
const medium: Tile = { BM: 64, BN: 64, BK: 16, TY: 8, TX: 8 };
const small: Tile = { BM: 32, BN: 32, BK: 16, TY: 8, TX: 8 };

const bytesOf = ({ BM, BN, BK }: Tile): number => 16 * (BM * (BK / 4 + 1) + (BK * BN) / 4);

/** Workgroups that keep a large GPU busy. */
const plenty = 264;
/** Terms of K that one split sums at least. */
const shortest = 256;

function chooseTile({ m, n, batch }: Product, workgroupBytes: number): Tile {
  const tiles = (tile: Tile) => Math.ceil(m / tile.BM) * Math.ceil(n / tile.BN) * batch;
  if (tiles(large) >= plenty / 2) {
    return bytesOf(large) <= workgroupBytes ? large : { ...large, BK: 8 };
  }
  return tiles(medium) >= plenty / 2 || (m > 32 && n > 32) ? medium : small;
}

/** C [batch, m, n] = op(A) op(B), with `bias` [n] added to every row where it is given. */
export function product(gpu: Gpu, a: Buffer, b: Buffer, size: Product, bias?: Buffer): Buffer {
  const { m, n, k, batch, transposeA, transposeB } = size;
  const tile = gpu.software ? small : chooseTile(size, gpu.device.limits.maxComputeWorkgroupStorageSize);
  const [columns, rows] = [Math.ceil(n / tile.BN), Math.ceil(m / tile.BM)];
  const wanted = Math.max(1, Math.floor(plenty / (columns * rows * batch)));
  const splits = bias ? 1 : Math.min(wanted, Math.ceil(k / shortest), 64);
  const kPerSplit = Math.ceil(k / splits / 16) * 16;
  const used = Math.ceil(k / kPerSplit);
  const vector = !gpu.software && [m, n, k].every((extent) => extent % 4 === 0);
  const out = gpu.take('matmul', used * batch * m * n);
  const constants = {
    ...tile,
    TA: Number(transposeA),
    TB: Number(transposeB),
    BIAS: Number(bias !== undefined),
  };
  gpu.run(
    {
      name: vector ? 'matmul4' : 'matmul1',
      source,
      constants,
      declarations: units(vector) + fourOf('a', vector) + fourOf('b', vector) + storeOf('c', vector),
    },
    [out, a, b, bias ?? a],
    [m, n, k, batch, used, kPerSplit],
    [columns, rows, batch * used],
  );
  if (used === 1) return out;
  const total = reduceSplits(gpu, out, used, batch * m * n);
  gpu.give(out);
  return total;
}

/** The same for tensors of the operation `matmul`. */
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
