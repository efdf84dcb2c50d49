import { at, int, ptr } from '../lib/args';
import { expFlushed, log } from '../lib/functions';
import { firstLanes, maxLanes, storeFirst, sumLanes, zero } from '../lib/simd';

const LOWEST: f32 = -3.4e38;

/** log Σ exp of a row. */
function logSumExp(x: usize, n: i32): f32 {
  let m0 = f32x4.splat(LOWEST);
  let m1 = m0;
  let j = 0;
  for (; j + 8 <= n; j += 8) {
    m0 = f32x4.max(m0, v128.load(at(x, j)));
    m1 = f32x4.max(m1, v128.load(at(x, j), 16));
  }
  for (; j < n; j += 4) m0 = f32x4.max(m0, v128.bitselect(v128.load(at(x, j)), m1, firstLanes(n - j)));
  const highest = maxLanes(f32x4.max(m0, m1));
  const shift = f32x4.splat(highest);
  let s0 = zero();
  let s1 = s0;
  for (j = 0; j + 8 <= n; j += 8) {
    s0 = f32x4.add(s0, expFlushed(f32x4.sub(v128.load(at(x, j)), shift)));
    s1 = f32x4.add(s1, expFlushed(f32x4.sub(v128.load(at(x, j), 16), shift)));
  }
  for (; j < n; j += 4) {
    const e = expFlushed(f32x4.sub(v128.load(at(x, j)), shift));
    s0 = f32x4.add(s0, v128.and(e, firstLanes(n - j)));
  }
  return highest + f32x4.extract_lane(log(f32x4.splat(sumLanes(f32x4.add(s0, s1)))), 0);
}

/**
 * -log softmax(logits)[target] and log Σ exp of each row. A target outside has logit 0, as a one-hot row of zeros gives.
 * args: logits, targets, loss, logSum, rows, width, rowsPerBlock
 */
export function crossEntropy(block: i32, args: usize, _scratch: usize): void {
  const width = int(args, 5);
  const perBlock = int(args, 6);
  for (let row = block * perBlock, end = min(row + perBlock, int(args, 4)); row < end; row++) {
    const x = at(ptr(args, 0), row * width);
    const target = load<i32>(at(ptr(args, 1), row));
    const logSum = logSumExp(x, width);
    store<f32>(at(ptr(args, 3), row), logSum);
    const hit: f32 = target >= 0 && target < width ? load<f32>(at(x, target)) : 0;
    store<f32>(at(ptr(args, 2), row), logSum - hit);
  }
}

/**
 * dlogits = (softmax(logits) - onehot(target)) dy; may overwrite the logits.
 * args: logits, targets, logSum, dy, dlogits, rows, width, rowsPerBlock
 */
export function crossEntropyBackward(block: i32, args: usize, _scratch: usize): void {
  const width = int(args, 6);
  const perBlock = int(args, 7);
  for (let row = block * perBlock, end = min(row + perBlock, int(args, 5)); row < end; row++) {
    const x = at(ptr(args, 0), row * width);
    const d = at(ptr(args, 4), row * width);
    const target = load<i32>(at(ptr(args, 1), row));
    const logSum = v128.load32_splat(at(ptr(args, 2), row));
    const dy = load<f32>(at(ptr(args, 3), row));
    const scale = f32x4.splat(dy);
    for (let j = 0; j < width; j += 4) {
      const p = expFlushed(f32x4.sub(v128.load(at(x, j)), logSum));
      storeFirst(at(d, j), f32x4.mul(p, scale), width - j);
    }
    if (target >= 0 && target < width) store<f32>(at(d, target), load<f32>(at(d, target)) - dy);
  }
}
