import { at, int, ptr } from '../lib/args';
import { expFlushed, normalCdf, normalPdf, sigmoid } from '../lib/functions';
import { madd, storeFirst } from '../lib/simd';

// The order of @linattn/math's `binaryFunctions`.
// @ts-ignore: decorator
@inline function evaluate(fn: i32, x: v128, y: v128): v128 {
  const one = f32x4.splat(1);
  const positive = f32x4.gt(x, f32x4.splat(0));
  if (fn == 0) return f32x4.add(x, y);
  if (fn == 1) return f32x4.sub(x, y);
  if (fn == 2) return f32x4.mul(x, y);
  if (fn == 3) return f32x4.div(x, y);
  if (fn == 4) return f32x4.max(x, y);
  if (fn == 5) return f32x4.min(x, y);
  if (fn == 6) return v128.and(f32x4.ge(x, y), one);
  if (fn == 7) return v128.and(f32x4.eq(x, y), one);
  if (fn == 8) return f32x4.mul(y, f32x4.sub(one, f32x4.mul(x, x)));
  if (fn == 9) return f32x4.mul(y, f32x4.mul(x, f32x4.sub(one, x)));
  if (fn == 10) return v128.and(y, positive);
  if (fn == 11) return f32x4.mul(y, madd(x, normalPdf(x), normalCdf(x)));
  if (fn == 12) {
    const s = sigmoid(x);
    return f32x4.mul(y, f32x4.mul(s, madd(x, f32x4.sub(one, s), one)));
  }
  return v128.bitselect(y, f32x4.mul(y, expFlushed(f32x4.min(x, f32x4.splat(0)))), positive);
}

// @ts-ignore: decorator
@inline function loop(fn: i32, x: usize, y: usize, z: usize, n: i32, xStep: usize, yStep: usize): void {
  for (; n >= 4; n -= 4, x += xStep, y += yStep, z += 16) v128.store(z, evaluate(fn, v128.load(x), v128.load(y)));
  if (n) storeFirst(z, evaluate(fn, v128.load(x), v128.load(y)), n);
}

/** A number to be repeated is laid out four times, to be read again and again. */
// @ts-ignore: decorator
@inline function repeated(x: usize, place: usize): usize {
  v128.store(place, v128.load32_splat(x));
  return place;
}

function run(fn: i32, x: usize, y: usize, z: usize, n: i32, xStep: usize, yStep: usize): void {
  switch (fn) {
    case 0: loop(0, x, y, z, n, xStep, yStep); break;
    case 1: loop(1, x, y, z, n, xStep, yStep); break;
    case 2: loop(2, x, y, z, n, xStep, yStep); break;
    case 3: loop(3, x, y, z, n, xStep, yStep); break;
    case 4: loop(4, x, y, z, n, xStep, yStep); break;
    case 5: loop(5, x, y, z, n, xStep, yStep); break;
    case 6: loop(6, x, y, z, n, xStep, yStep); break;
    case 7: loop(7, x, y, z, n, xStep, yStep); break;
    case 8: loop(8, x, y, z, n, xStep, yStep); break;
    case 9: loop(9, x, y, z, n, xStep, yStep); break;
    case 10: loop(10, x, y, z, n, xStep, yStep); break;
    case 11: loop(11, x, y, z, n, xStep, yStep); break;
    case 12: loop(12, x, y, z, n, xStep, yStep); break;
    default: loop(13, x, y, z, n, xStep, yStep);
  }
}

/**
 * z = fn(x, y) with broadcasting, row by row: `inner` numbers with steps 0 or 1, under outer axes. Scratch: 32 bytes.
 * args: x, y, z, fn, n (all elements), inner, rowsPerBlock, xStep, yStep, outer axes, then for each (from the last):
 * extent, xStride, yStride
 */
export function binary(block: i32, args: usize, scratch: usize): void {
  const x = ptr(args, 0);
  const y = ptr(args, 1);
  const z = ptr(args, 2);
  const fn = int(args, 3);
  const n = int(args, 4);
  const inner = int(args, 5);
  const rows = int(args, 6);
  const xStep = <usize>int(args, 7) << 4;
  const yStep = <usize>int(args, 8) << 4;
  const axes = int(args, 9);
  for (let row = block * rows, end = row + rows; row < end; row++) {
    const start = <i64>row * inner;
    if (start >= n) break;
    let index = row;
    let xAt = 0;
    let yAt = 0;
    for (let axis = 0; axis < axes; axis++) {
      const extent = int(args, 10 + 3 * axis);
      const i = index % extent;
      index /= extent;
      xAt += i * int(args, 11 + 3 * axis);
      yAt += i * int(args, 12 + 3 * axis);
    }
    const left = xStep ? at(x, xAt) : repeated(at(x, xAt), scratch);
    const right = yStep ? at(y, yAt) : repeated(at(y, yAt), scratch + 16);
    run(fn, left, right, at(z, <i32>start), min(inner, n - <i32>start), xStep, yStep);
  }
}
