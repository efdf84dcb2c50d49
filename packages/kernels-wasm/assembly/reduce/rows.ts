import { at, int, ptr } from '../lib/args';
import { firstLanes } from '../lib/simd';

// fn: 0 sum, 1 max, 2 min, the order of `ReduceFunction`.
// @ts-ignore: decorator
@inline function fold(fn: i32, total: v128, x: v128): v128 {
  return fn == 0 ? f32x4.add(total, x) : fn == 1 ? f32x4.max(total, x) : f32x4.min(total, x);
}

// @ts-ignore: decorator
@inline function neutral(fn: i32): v128 {
  return f32x4.splat(fn == 0 ? 0 : fn == 1 ? f32.NEGATIVE_INFINITY : f32.POSITIVE_INFINITY);
}

/** Sixteen running totals: sums of long rows keep their accuracy. */
// @ts-ignore: decorator
@inline function reduceRow(fn: i32, x: usize, n: i32): f32 {
  let t0 = neutral(fn);
  let t1 = t0;
  let t2 = t0;
  let t3 = t0;
  let i = 0;
  for (; i + 16 <= n; i += 16) {
    const p = at(x, i);
    t0 = fold(fn, t0, v128.load(p));
    t1 = fold(fn, t1, v128.load(p, 16));
    t2 = fold(fn, t2, v128.load(p, 32));
    t3 = fold(fn, t3, v128.load(p, 48));
  }
  for (; i + 4 <= n; i += 4) t0 = fold(fn, t0, v128.load(at(x, i)));
  if (i < n) t1 = fold(fn, t1, v128.bitselect(v128.load(at(x, i)), neutral(fn), firstLanes(n - i)));
  let t = fold(fn, fold(fn, t0, t1), fold(fn, t2, t3));
  t = fold(fn, t, v128.shuffle<f32>(t, t, 2, 3, 0, 1));
  t = fold(fn, t, v128.shuffle<f32>(t, t, 1, 0, 3, 2));
  return f32x4.extract_lane(t, 0);
}

/** y[row] = the row's sum, maximum or minimum. args: x, y, fn, total (all elements), inner, rowsPerBlock */
export function reduceRows(block: i32, args: usize, _scratch: usize): void {
  const x = ptr(args, 0);
  const y = ptr(args, 1);
  const fn = int(args, 2);
  const total = int(args, 3);
  const inner = int(args, 4);
  const rows = int(args, 5);
  for (let row = block * rows, end = row + rows; row < end; row++) {
    const start = <i64>row * inner;
    if (start >= total) break;
    const from = at(x, <i32>start);
    const n = min(inner, total - <i32>start);
    const result = fn == 0 ? reduceRow(0, from, n) : fn == 1 ? reduceRow(1, from, n) : reduceRow(2, from, n);
    store<f32>(at(y, row), result);
  }
}
