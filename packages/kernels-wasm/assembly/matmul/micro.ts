import { madd, zero } from '../lib/simd';

/** What a tile starts from: nothing, what is in C, or a bias for each column. */
export const START_ZERO: i32 = 0;
export const START_C: i32 = 1;
export const START_BIAS: i32 = 2;

// Twelve sums, two vectors of B and one of A fit the registers, and are enough chains to keep two units busy that take four clocks for
// each; the eight of a panel of 4 rows just miss it, for what else an iteration does. What a tile starts from is loaded before the
// loop, and nothing is chosen after it: V8 then keeps the products in this order; otherwise it loads all of A first and spills sums.

// @ts-ignore: decorator
@inline function micro(
  tall: bool,
  depth: i32,
  a: usize,
  b: usize,
  c: usize,
  stride: usize,
  start: i32,
  bias: usize,
): void {
  const row1 = c + stride;
  const row2 = row1 + stride;
  const row3 = row2 + stride;
  const row4 = row3 + stride;
  const row5 = row4 + stride;
  let c00 = zero();
  let c01 = c00;
  let c10 = c00;
  let c11 = c00;
  let c20 = c00;
  let c21 = c00;
  let c30 = c00;
  let c31 = c00;
  let c40 = c00;
  let c41 = c00;
  let c50 = c00;
  let c51 = c00;
  if (start == START_C) {
    c00 = v128.load(c);
    c01 = v128.load(c, 16);
    c10 = v128.load(row1);
    c11 = v128.load(row1, 16);
    c20 = v128.load(row2);
    c21 = v128.load(row2, 16);
    c30 = v128.load(row3);
    c31 = v128.load(row3, 16);
    if (tall) {
      c40 = v128.load(row4);
      c41 = v128.load(row4, 16);
      c50 = v128.load(row5);
      c51 = v128.load(row5, 16);
    }
  } else if (start == START_BIAS) {
    c00 = v128.load(bias);
    c01 = v128.load(bias, 16);
    c10 = c00;
    c11 = c01;
    c20 = c00;
    c21 = c01;
    c30 = c00;
    c31 = c01;
    if (tall) {
      c40 = c00;
      c41 = c01;
      c50 = c00;
      c51 = c01;
    }
  }
  for (const end = b + (<usize>depth << 5); b < end; b += 32) {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    const a0 = v128.load32_splat(a);
    c00 = madd(a0, b0, c00);
    c01 = madd(a0, b1, c01);
    const a1 = v128.load32_splat(a, 4);
    c10 = madd(a1, b0, c10);
    c11 = madd(a1, b1, c11);
    const a2 = v128.load32_splat(a, 8);
    c20 = madd(a2, b0, c20);
    c21 = madd(a2, b1, c21);
    const a3 = v128.load32_splat(a, 12);
    c30 = madd(a3, b0, c30);
    c31 = madd(a3, b1, c31);
    if (tall) {
      const a4 = v128.load32_splat(a, 16);
      c40 = madd(a4, b0, c40);
      c41 = madd(a4, b1, c41);
      const a5 = v128.load32_splat(a, 20);
      c50 = madd(a5, b0, c50);
      c51 = madd(a5, b1, c51);
    }
    a += tall ? 24 : 16;
  }
  v128.store(c, c00);
  v128.store(c, c01, 16);
  v128.store(row1, c10);
  v128.store(row1, c11, 16);
  v128.store(row2, c20);
  v128.store(row2, c21, 16);
  v128.store(row3, c30);
  v128.store(row3, c31, 16);
  if (tall) {
    v128.store(row4, c40);
    v128.store(row4, c41, 16);
    v128.store(row5, c50);
    v128.store(row5, c51, 16);
  }
}

/** 6 x 8 of C from packed panels, A 6 wide and B 8 wide, over `depth`. `stride` of C in bytes. */
export function micro6(depth: i32, a: usize, b: usize, c: usize, stride: usize, start: i32, bias: usize): void {
  micro(true, depth, a, b, c, stride, start, bias);
}

/** 4 x 8 of C, from a panel of A that is 4 wide. */
export function micro4(depth: i32, a: usize, b: usize, c: usize, stride: usize, start: i32, bias: usize): void {
  micro(false, depth, a, b, c, stride, start, bias);
}
