import { at, int, ptr } from '../lib/args';
import { storeFirst } from '../lib/simd';

// @ts-ignore: decorator
@inline function fold(fn: i32, total: v128, x: v128): v128 {
  return fn == 0 ? f32x4.add(total, x) : fn == 1 ? f32x4.max(total, x) : f32x4.min(total, x);
}

// @ts-ignore: decorator
@inline function reduceColumns4(fn: i32, x: usize, stride: usize, rows: i32): v128 {
  let total = v128.load(x);
  for (let row = 1; row < rows; row++) {
    x += stride;
    total = fold(fn, total, v128.load(x));
  }
  return total;
}

// @ts-ignore: decorator
@inline function reduceColumns16(fn: i32, x: usize, y: usize, stride: usize, rows: i32): void {
  let t0 = v128.load(x);
  let t1 = v128.load(x, 16);
  let t2 = v128.load(x, 32);
  let t3 = v128.load(x, 48);
  for (let row = 1; row < rows; row++) {
    x += stride;
    t0 = fold(fn, t0, v128.load(x));
    t1 = fold(fn, t1, v128.load(x, 16));
    t2 = fold(fn, t2, v128.load(x, 32));
    t3 = fold(fn, t3, v128.load(x, 48));
  }
  v128.store(y, t0);
  v128.store(y, t1, 16);
  v128.store(y, t2, 32);
  v128.store(y, t3, 48);
}

// @ts-ignore: decorator
@inline function reduceBlock(fn: i32, x: usize, y: usize, inner: i32, rows: i32): void {
  const stride = <usize>inner << 2;
  let j = 0;
  for (; j + 16 <= inner; j += 16) reduceColumns16(fn, at(x, j), at(y, j), stride, rows);
  for (; j < inner; j += 4) storeFirst(at(y, j), reduceColumns4(fn, at(x, j), stride, rows), inner - j);
}

/**
 * y[outer, piece, j] = the reduction over a piece of at most `pieceRows` rows of x[outer, rows, j].
 * args: x, y, fn, rows, inner, pieceRows, pieces. Block: outer x piece.
 */
export function reduceColumns(block: i32, args: usize, _scratch: usize): void {
  const fn = int(args, 2);
  const rows = int(args, 3);
  const inner = int(args, 4);
  const pieceRows = int(args, 5);
  const pieces = int(args, 6);
  const first = (block % pieces) * pieceRows;
  const x = at(ptr(args, 0), ((block / pieces) * rows + first) * inner);
  const y = at(ptr(args, 1), block * inner);
  const count = min(pieceRows, rows - first);
  if (fn == 0) reduceBlock(0, x, y, inner, count);
  else if (fn == 1) reduceBlock(1, x, y, inner, count);
  else reduceBlock(2, x, y, inner, count);
}
