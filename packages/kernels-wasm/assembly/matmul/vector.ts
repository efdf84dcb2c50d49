import { at, int, ptr } from '../lib/args';
import { loadFirst, madd, storeFirst, sumLanes, zero } from '../lib/simd';

/** x · row over `depth`, in 4 running sums. */
// @ts-ignore: decorator
@inline function dotRow(x: usize, row: usize, depth: i32): f32 {
  let s0 = zero();
  let s1 = s0;
  let k = 0;
  for (; k + 8 <= depth; k += 8) {
    s0 = madd(v128.load(at(x, k)), v128.load(at(row, k)), s0);
    s1 = madd(v128.load(at(x, k), 16), v128.load(at(row, k), 16), s1);
  }
  for (; k + 4 <= depth; k += 4) s0 = madd(v128.load(at(x, k)), v128.load(at(row, k)), s0);
  if (k < depth) s1 = madd(loadFirst(at(x, k), depth - k), loadFirst(at(row, k), depth - k), s1);
  return sumLanes(f32x4.add(s0, s1));
}

/**
 * y = x Wᵀ + bias, one row: a decoding step. W [n, depth] is read once, nothing is packed.
 * args: x, W, y, bias (0: none), n, depth, perBlock
 */
export function vectorTimesRows(block: i32, args: usize, _scratch: usize): void {
  const x = ptr(args, 0);
  const w = ptr(args, 1);
  const y = ptr(args, 2);
  const bias = ptr(args, 3);
  const depth = int(args, 5);
  const perBlock = int(args, 6);
  for (let j = block * perBlock, end = min(j + perBlock, int(args, 4)); j < end; j++) {
    store<f32>(at(y, j), dotRow(x, at(w, j * depth), depth) + (bias ? load<f32>(at(bias, j)) : 0));
  }
}

/** y = x W, one row, W [depth, n]. args: x, W, y, bias (0: none), n, depth, perBlock (a multiple of 4) */
export function vectorTimesMatrix(block: i32, args: usize, _scratch: usize): void {
  const x = ptr(args, 0);
  const y = ptr(args, 2);
  const bias = ptr(args, 3);
  const n = int(args, 4);
  const depth = int(args, 5);
  const start = block * int(args, 6);
  const stride = <usize>n << 2;
  for (let j = start, end = min(start + int(args, 6), n); j < end; j += 4) {
    let sum = bias ? v128.load(at(bias, j)) : zero();
    let w = at(ptr(args, 1), j);
    for (let k = 0; k < depth; k++, w += stride) sum = madd(v128.load32_splat(at(x, k)), v128.load(w), sum);
    storeFirst(at(y, j), sum, end - j);
  }
}
