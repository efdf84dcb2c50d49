import { at, int, ptr } from '../lib/args';
import { micro4, micro6, START_BIAS, START_C, START_ZERO } from './micro';
import { pack } from './pack';

// Blocks: a panel of A and one of B stay in the first cache, 128 KiB of A and 512 KiB of B in the second. A depth of up to 512 is
// done at once, which spares reading C again.
const DEPTH: i32 = 256;
const A_FLOATS: i32 = 32768;
const B_FLOATS: i32 = 131072;

/** Bytes of scratch: an edge tile, packed B, packed A. */
export const matmulScratch: i32 = 256 + (B_FLOATS + A_FLOATS) * 4;

/**
 * C[m, n] = start + op(A) op(B). Every element is a sum over k in the same order, whatever the tile it lies in, so that how the
 * work is cut does not change the result.
 * Strides in bytes: of A by row i and by k, of B by k and by column j, of C by row.
 */
export function multiply(
  m: i32,
  n: i32,
  depth: i32,
  a: usize,
  aRow: usize,
  aInner: usize,
  b: usize,
  bInner: usize,
  bColumn: usize,
  c: usize,
  cRow: usize,
  start: i32,
  bias: usize,
  scratch: usize,
): void {
  const tile = scratch;
  const packedB = scratch + 256;
  const packedA = at(packedB, B_FLOATS);
  const blockDepth = depth <= 2 * DEPTH ? depth : DEPTH;
  const width = min((n + 7) & ~7, (B_FLOATS / blockDepth) & ~7);
  const height = A_FLOATS / blockDepth - ((A_FLOATS / blockDepth) % 6);
  for (let j0 = 0; j0 < n; j0 += width) {
    const columns = min(width, n - j0);
    for (let k0 = 0; k0 < depth; k0 += blockDepth) {
      const inner = min(blockDepth, depth - k0);
      const from = k0 > 0 ? START_C : start;
      pack(columns, inner, 8, b + <usize>j0 * bColumn + <usize>k0 * bInner, bColumn, bInner, packedB);
      for (let i0 = 0; i0 < m; i0 += height) {
        const rows = min(height, m - i0);
        // Panels of 6 rows; of 4 where the last has no more.
        const last = rows % 6 > 0 && rows % 6 <= 4 ? rows - (rows % 6) : rows;
        const fromA = a + <usize>i0 * aRow + <usize>k0 * aInner;
        pack(last, inner, 6, fromA, aRow, aInner, packedA);
        if (last < rows) pack(rows - last, inner, 4, fromA + <usize>last * aRow, aRow, aInner, at(packedA, last * inner));
        for (let j = 0; j < columns; j += 8) {
          const panelB = at(packedB, j * inner);
          const biasAt = at(bias, j0 + j);
          for (let i = 0; i < rows; i += 6) {
            const to = at(c + <usize>(i0 + i) * cRow, j0 + j);
            const panelA = at(packedA, i * inner);
            const tall = i < last;
            if (i + (tall ? 6 : 4) > rows || j + 8 > columns) {
              edge(tall, rows - i, columns - j, inner, panelA, panelB, to, cRow, from, biasAt, tile);
            } else if (tall) micro6(inner, panelA, panelB, to, cRow, from, biasAt);
            else micro4(inner, panelA, panelB, to, cRow, from, biasAt);
          }
        }
      }
    }
  }
}

/** A tile that C may not hold whole is computed aside and its part copied. */
function edge(
  tall: bool,
  rows: i32,
  columns: i32,
  depth: i32,
  a: usize,
  b: usize,
  c: usize,
  cRow: usize,
  start: i32,
  bias: usize,
  tile: usize,
): void {
  const height = min(tall ? 6 : 4, rows);
  const width = min(8, columns);
  if (start != START_ZERO) {
    for (let i = 0; i < height; i++) {
      memory.copy(tile + (<usize>i << 5), start == START_C ? c + <usize>i * cRow : bias, <usize>width << 2);
    }
  }
  const from = start == START_ZERO ? START_ZERO : START_C;
  if (tall) micro6(depth, a, b, tile, 32, from, 0);
  else micro4(depth, a, b, tile, 32, from, 0);
  for (let i = 0; i < height; i++) memory.copy(c + <usize>i * cRow, tile + (<usize>i << 5), <usize>width << 2);
}

/**
 * Block: one tile of one product of the batch.
 * args: A, B, C, bias, start, m, n, k, transposeA, transposeB, tileRows, tileColumns, batch strides of A, B, C (floats)
 */
export function matmul(block: i32, args: usize, scratch: usize): void {
  const m = int(args, 5);
  const n = int(args, 6);
  const depth = int(args, 7);
  const tileRows = int(args, 10);
  const tileColumns = int(args, 11);
  const across = (n + tileColumns - 1) / tileColumns;
  const tiles = ((m + tileRows - 1) / tileRows) * across;
  const batch = block / tiles;
  const i = ((block % tiles) / across) * tileRows;
  const j = ((block % tiles) % across) * tileColumns;
  const aRow: usize = int(args, 8) ? 4 : <usize>depth << 2;
  const aInner: usize = int(args, 8) ? <usize>m << 2 : 4;
  const bInner: usize = int(args, 9) ? 4 : <usize>n << 2;
  const bColumn: usize = int(args, 9) ? <usize>depth << 2 : 4;
  const a = at(ptr(args, 0), batch * int(args, 12)) + <usize>i * aRow;
  const b = at(ptr(args, 1), batch * int(args, 13)) + <usize>j * bColumn;
  const c = at(ptr(args, 2), batch * int(args, 14) + i * n + j);
  const rows = min(tileRows, m - i);
  const columns = min(tileColumns, n - j);
  const bias = at(ptr(args, 3), j);
  multiply(rows, columns, depth, a, aRow, aInner, b, bInner, bColumn, c, <usize>n << 2, int(args, 4), bias, scratch);
}
