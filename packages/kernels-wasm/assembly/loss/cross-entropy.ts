import { at, int, ptr } from '../lib/args';
import { expFlushed, log } from '../lib/functions';
import { storeFirst } from '../lib/simd';
import { exponentialSum, exponentials, largest } from './softmax-row';

/** log Σ exp of a row. */
function logSumExp(x: usize, n: i32): f32 {
  const highest = largest(x, n);
  return highest + f32x4.extract_lane(log(f32x4.splat(exponentialSum(x, n, highest))), 0);
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

/**
 * Both at once, with one exponential a logit: the loss of each row, whose logits become weight (softmax - onehot(target)).
 * args: logits, targets, weights, loss, rows, width, rowsPerBlock
 */
export function crossEntropyWithGradient(block: i32, args: usize, _scratch: usize): void {
  const width = int(args, 5);
  const perBlock = int(args, 6);
  for (let row = block * perBlock, end = min(row + perBlock, int(args, 4)); row < end; row++) {
    const x = at(ptr(args, 0), row * width);
    const target = load<i32>(at(ptr(args, 1), row));
    const weight = load<f32>(at(ptr(args, 2), row));
    const within = target >= 0 && target < width;
    const hit: f32 = within ? load<f32>(at(x, target)) : 0;
    const highest = largest(x, width);
    const total = exponentials(x, width, highest);
    store<f32>(at(ptr(args, 3), row), highest + f32x4.extract_lane(log(f32x4.splat(total)), 0) - hit);
    const factor = f32x4.splat(weight / total);
    for (let j = 0; j < width; j += 4) storeFirst(at(x, j), f32x4.mul(factor, v128.load(at(x, j))), width - j);
    if (within) store<f32>(at(x, target), load<f32>(at(x, target)) - weight);
  }
}
