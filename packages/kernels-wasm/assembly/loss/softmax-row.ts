import { at } from '../lib/args';
import { expFlushed } from '../lib/functions';
import { firstLanes, maxLanes, storeFirst, sumLanes, zero } from '../lib/simd';

/** Below every logit. */
export const LOWEST: f32 = -3.4e38;

/** The largest of n numbers; NaN is passed over, as exp will show it. */
export function largest(x: usize, n: i32): f32 {
  let m0 = f32x4.splat(LOWEST);
  let m1 = m0;
  let m2 = m0;
  let m3 = m0;
  let j = 0;
  for (; j + 16 <= n; j += 16) {
    m0 = f32x4.pmax(m0, v128.load(at(x, j)));
    m1 = f32x4.pmax(m1, v128.load(at(x, j), 16));
    m2 = f32x4.pmax(m2, v128.load(at(x, j), 32));
    m3 = f32x4.pmax(m3, v128.load(at(x, j), 48));
  }
  for (; j < n; j += 4) m0 = f32x4.pmax(m0, v128.bitselect(v128.load(at(x, j)), m1, firstLanes(n - j)));
  return maxLanes(f32x4.pmax(f32x4.pmax(m0, m1), f32x4.pmax(m2, m3)));
}

/** Σ exp(x - shift) over n numbers; in their place, where `keep`, the exponentials. */
// @ts-ignore: decorator
@inline function sumExp(x: usize, n: i32, shift: f32, keep: bool): f32 {
  const by = f32x4.splat(shift);
  let s0 = zero();
  let s1 = s0;
  let j = 0;
  for (; j + 8 <= n; j += 8) {
    const e0 = expFlushed(f32x4.sub(v128.load(at(x, j)), by));
    const e1 = expFlushed(f32x4.sub(v128.load(at(x, j), 16), by));
    if (keep) {
      v128.store(at(x, j), e0);
      v128.store(at(x, j), e1, 16);
    }
    s0 = f32x4.add(s0, e0);
    s1 = f32x4.add(s1, e1);
  }
  for (; j < n; j += 4) {
    const e = expFlushed(f32x4.sub(v128.load(at(x, j)), by));
    if (keep) storeFirst(at(x, j), e, n - j);
    s0 = f32x4.add(s0, v128.and(e, firstLanes(n - j)));
  }
  return sumLanes(f32x4.add(s0, s1));
}

/** Σ exp(x - shift) over n numbers. */
export function exponentialSum(x: usize, n: i32, shift: f32): f32 {
  return sumExp(x, n, shift, false);
}

/** n numbers become exp(x - shift); gives their sum. */
export function exponentials(x: usize, n: i32, shift: f32): f32 {
  return sumExp(x, n, shift, true);
}
