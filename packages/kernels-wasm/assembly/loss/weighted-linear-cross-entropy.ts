import { at, int, ptr } from '../lib/args';
import { expFlushed, log } from '../lib/functions';
import { madd, storeFirst } from '../lib/simd';
import { matmulScratch, multiply } from '../matmul/matmul';
import { START_C, START_ZERO } from '../matmul/micro';
import { exponentials, LOWEST, largest } from './softmax-row';

// Σ_i weights_i loss_i of x Wᵀ and its gradients, for a block of rows and a large vocabulary. It goes in pieces of some words, so that
// what is made of a piece's logits is made in the cache. A row's largest logit is known only when all pieces are there: each has its
// own, e = exp(logit - largest of the piece), and a factor a row and piece then makes weight · softmax of it. The factor is multiplied
// to what e is multiplied with, or to the product: there are far fewer numbers in those than in e.
//
// Arguments of all kernels: 0 x, 1 W, 2 targets, 3 weights, 4 losses, 5 dx, 6 dW, 7 e [pieces][rows][words of the piece],
// 8 parts of dx [pieces][rows][width], 9 largest, 10 Σ e, then factors [pieces][rows], 11 logits of the targets [rows]; 12 rows,
// 13 words, 14 width, 15 words a piece, 16 dW starts from what it holds.

// @ts-ignore: decorator
@inline function piecesOf(args: usize): i32 {
  return (int(args, 13) + int(args, 15) - 1) / int(args, 15);
}

/** y = factor x, over n numbers. */
function scaleTo(y: usize, x: usize, n: i32, factor: f32): void {
  const f = f32x4.splat(factor);
  for (let j = 0; j < n; j += 4) storeFirst(at(y, j), f32x4.mul(f, v128.load(at(x, j))), n - j);
}

/** y += factor x, over n numbers. */
function addScaled(y: usize, x: usize, n: i32, factor: f32): void {
  const f = f32x4.splat(factor);
  for (let j = 0; j < n; j += 4) storeFirst(at(y, j), madd(f, v128.load(at(x, j)), v128.load(at(y, j))), n - j);
}

/** Block: a piece. Leaves e, the largest logit and Σ e of each row, and logits of targets that are in the piece. */
export function exponentialsOfWords(piece: i32, args: usize, scratch: usize): void {
  const rows = int(args, 12);
  const first = piece * int(args, 15);
  const words = min(int(args, 15), int(args, 13) - first);
  const line = <usize>int(args, 14) << 2;
  const e = at(ptr(args, 7), first * rows);
  const w = ptr(args, 1) + <usize>first * line;
  multiply(rows, words, int(args, 14), ptr(args, 0), line, 4, w, 4, line, e, <usize>words << 2, START_ZERO, 0, scratch);
  for (let row = 0, logits = e; row < rows; row++, logits = at(logits, words)) {
    const target = load<i32>(at(ptr(args, 2), row)) - first;
    if (target >= 0 && target < words) store<f32>(at(ptr(args, 11), row), load<f32>(at(logits, target)));
    const highest = largest(logits, words);
    store<f32>(at(ptr(args, 9), piece * rows + row), highest);
    store<f32>(at(ptr(args, 10), piece * rows + row), exponentials(logits, words, highest));
  }
}

/** Block: a row. Its loss, and its factors: weight exp(largest of the piece - log Σ exp). A target outside has logit 0. */
export function lossesOfWords(row: i32, args: usize, _scratch: usize): void {
  const step = <usize>int(args, 12) << 2;
  const pieces = piecesOf(args);
  const peaks = at(ptr(args, 9), row);
  const sums = at(ptr(args, 10), row);
  let highest = LOWEST;
  for (let i = 0, p = peaks; i < pieces; i++, p += step) highest = max(highest, load<f32>(p));
  let total: f32 = 0;
  for (let i = 0, p = peaks, s = sums; i < pieces; i++, p += step, s += step) {
    const share = f32x4.extract_lane(expFlushed(f32x4.splat(load<f32>(p) - highest)), 0);
    total += share * load<f32>(s);
    store<f32>(s, share);
  }
  const factor = load<f32>(at(ptr(args, 3), row)) / total;
  for (let i = 0, s = sums; i < pieces; i++, s += step) store<f32>(s, factor * load<f32>(s));
  const target = load<i32>(at(ptr(args, 2), row));
  const hit: f32 = target >= 0 && target < int(args, 13) ? load<f32>(at(ptr(args, 11), row)) : 0;
  store<f32>(at(ptr(args, 4), row), highest + f32x4.extract_lane(log(f32x4.splat(total)), 0) - hit);
}

/** Block: a piece. Its part e W of dx, without factors, and its words of dW = (factor e - weight onehot)ᵀ x. */
export function gradientsOfWords(piece: i32, args: usize, scratch: usize): void {
  const rows = int(args, 12);
  const width = int(args, 14);
  const first = piece * int(args, 15);
  const words = min(int(args, 15), int(args, 13) - first);
  const line = <usize>width << 2;
  const e = at(ptr(args, 7), first * rows);
  const eLine = <usize>words << 2;
  const w = ptr(args, 1) + <usize>first * line;
  const part = ptr(args, 8) + <usize>(piece * rows) * line;
  multiply(rows, width, words, e, eLine, 4, w, line, 4, part, line, START_ZERO, 0, scratch);
  const x = ptr(args, 0);
  const scaled = scratch + matmulScratch;
  for (let row = 0, offset: usize = 0; row < rows; row++, offset += line) {
    scaleTo(scaled + offset, x + offset, width, load<f32>(at(ptr(args, 10), piece * rows + row)));
  }
  const dw = ptr(args, 6) + <usize>first * line;
  const start = int(args, 16) ? START_C : START_ZERO;
  multiply(words, width, rows, e, 4, eLine, scaled, line, 4, dw, line, start, 0, scratch);
  for (let row = 0; row < rows; row++) {
    const target = load<i32>(at(ptr(args, 2), row)) - first;
    if (target < 0 || target >= words) continue;
    addScaled(dw + <usize>target * line, x + <usize>row * line, width, -load<f32>(at(ptr(args, 3), row)));
  }
}

/** Block: a row. dx = Σ factor · part, in the order of the pieces, less weight · W_target. */
export function rowGradientOfWords(row: i32, args: usize, _scratch: usize): void {
  const rows = int(args, 12);
  const width = int(args, 14);
  const line = <usize>width << 2;
  const dx = ptr(args, 5) + <usize>row * line;
  for (let piece = 0, pieces = piecesOf(args); piece < pieces; piece++) {
    const place = piece * rows + row;
    const part = ptr(args, 8) + <usize>place * line;
    const factor = load<f32>(at(ptr(args, 10), place));
    if (piece === 0) scaleTo(dx, part, width, factor);
    else addScaled(dx, part, width, factor);
  }
  const target = load<i32>(at(ptr(args, 2), row));
  if (target < 0 || target >= int(args, 13)) return;
  addScaled(dx, ptr(args, 1) + <usize>target * line, width, -load<f32>(at(ptr(args, 3), row)));
}
