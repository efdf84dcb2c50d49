import { at } from './args';
import { madd, zero } from './simd';

// Products of small matrices that lie in a thread's scratch: C += A B, all row-major, strides in bytes, extents padded (rows to 4,
// columns to 8), nothing packed. Triangular forms leave out tiles that are known to be zero or not wanted.

export const FULL: i32 = 0;
/** A[i, k] = 0 for k > i. */
export const LOWER_A: i32 = 1;
/** A[i, k] = 0 for k < i. */
export const UPPER_A: i32 = 2;
/** Only C[i, j] with j <= i is wanted (and what else is in its tiles). */
export const LOWER_C: i32 = 3;
/** Only C[i, j] with j >= i. */
export const UPPER_C: i32 = 4;

// @ts-ignore: decorator
@inline function micro(
  k0: i32,
  k1: i32,
  a: usize,
  aStride: usize,
  b: usize,
  bStride: usize,
  c: usize,
  cStride: usize,
  accumulate: bool,
): void {
  let c00 = zero();
  let c01 = c00;
  let c10 = c00;
  let c11 = c00;
  let c20 = c00;
  let c21 = c00;
  let c30 = c00;
  let c31 = c00;
  let a0 = at(a, k0);
  let a1 = a0 + aStride;
  let a2 = a1 + aStride;
  let a3 = a2 + aStride;
  let bk = b + <usize>k0 * bStride;
  const end = at(a, k1);
  while (a0 < end) {
    const b0 = v128.load(bk);
    const b1 = v128.load(bk, 16);
    const x0 = v128.load32_splat(a0);
    c00 = madd(x0, b0, c00);
    c01 = madd(x0, b1, c01);
    const x1 = v128.load32_splat(a1);
    c10 = madd(x1, b0, c10);
    c11 = madd(x1, b1, c11);
    const x2 = v128.load32_splat(a2);
    c20 = madd(x2, b0, c20);
    c21 = madd(x2, b1, c21);
    const x3 = v128.load32_splat(a3);
    c30 = madd(x3, b0, c30);
    c31 = madd(x3, b1, c31);
    a0 += 4;
    a1 += 4;
    a2 += 4;
    a3 += 4;
    bk += bStride;
  }
  const row1 = c + cStride;
  const row2 = row1 + cStride;
  const row3 = row2 + cStride;
  if (accumulate) {
    c00 = f32x4.add(c00, v128.load(c));
    c01 = f32x4.add(c01, v128.load(c, 16));
    c10 = f32x4.add(c10, v128.load(row1));
    c11 = f32x4.add(c11, v128.load(row1, 16));
    c20 = f32x4.add(c20, v128.load(row2));
    c21 = f32x4.add(c21, v128.load(row2, 16));
    c30 = f32x4.add(c30, v128.load(row3));
    c31 = f32x4.add(c31, v128.load(row3, 16));
  }
  v128.store(c, c00);
  v128.store(c, c01, 16);
  v128.store(row1, c10);
  v128.store(row1, c11, 16);
  v128.store(row2, c20);
  v128.store(row2, c21, 16);
  v128.store(row3, c30);
  v128.store(row3, c31, 16);
}

/** C [rows, columns] (+)= A [rows, depth] B [depth, columns]. */
export function product(
  form: i32,
  rows: i32,
  columns: i32,
  depth: i32,
  a: usize,
  aStride: usize,
  b: usize,
  bStride: usize,
  c: usize,
  cStride: usize,
  accumulate: bool,
): void {
  for (let j = 0; j < columns; j += 8) {
    const first = form == LOWER_C ? j : 0;
    const last = form == UPPER_C ? min(rows, j + 8) : rows;
    for (let i = first; i < last; i += 4) {
      const k0 = form == UPPER_A ? i : 0;
      const k1 = form == LOWER_A ? min(depth, i + 4) : depth;
      micro(k0, k1, a + <usize>i * aStride, aStride, at(b, j), bStride, at(c + <usize>i * cStride, j), cStride, accumulate);
    }
  }
}
