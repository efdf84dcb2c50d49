import { at, ptr } from '../lib/args';
import { expFlushed, log } from '../lib/functions';
import { fillZero, firstLanes, maxLanes, sumLanes, transposeTile, zero } from '../lib/simd';
import { FULL, product } from '../lib/tile';
import { loadRows, storeRows } from './rows';
import {
  D,
  E,
  enterSoftmaxHead,
  keys,
  logSumAt,
  padTiles,
  queries,
  rowD,
  rowE,
  rowsOfKey,
  rowsOfOutput,
  rowsOfQuery,
  rowsOfValue,
  rowT,
  scale,
  strideD,
  strideE,
  strideG,
  TILE,
  valueWidth,
  visible,
  width,
} from './softmax-head';

const HIDDEN: f32 = -1e30;

/**
 * o = softmax(scale q kᵀ) v and log Σ exp of each row, tile by tile with running maxima (FlashAttention). Block: one head.
 * args from 12: o, logSum
 */
export function softmaxAttention(head: i32, args: usize, scratch: usize): void {
  enterSoftmaxHead(head, args);
  const o = ptr(args, 12);
  const logSum = ptr(args, 13);
  const padded = padTiles(keys);
  const Q = scratch;
  const O = at(Q, TILE * D);
  const P = at(O, TILE * E);
  const highest = at(P, TILE * TILE);
  const total = at(highest, TILE);
  const V = at(total, TILE);
  /** Tiles of transposed keys, [D, TILE] each. */
  const KT = at(V, padded * E);
  const K = at(KT, padded * D);
  loadRows(rowsOfValue(ptr(args, 2), 0), strideE, keys, valueWidth, E, padded, 0, 1, V);
  for (let j = 0; j < keys; j += TILE) {
    loadRows(rowsOfKey(ptr(args, 1), j), strideD, min(TILE, keys - j), width, D, TILE, 0, scale, K);
    transposeTile(TILE, D, K, rowD, at(KT, j * D), rowT);
  }
  for (let n = 0; n < queries; n += TILE) {
    const rows = min(TILE, queries - n);
    const size = (rows + 7) & ~7;
    loadRows(rowsOfQuery(ptr(args, 0), n), strideD, rows, width, D, size, 0, 1, Q);
    fillZero(O, size * E);
    for (let i = 0; i < size; i++) {
      store<f32>(at(highest, i), HIDDEN);
      store<f32>(at(total, i), 0);
    }
    const end = visible(n + rows - 1);
    for (let j = 0; j < end; j += TILE) {
      product(FULL, size, TILE, D, Q, rowD, at(KT, j * D), rowT, P, rowT, false);
      for (let i = 0; i < size; i++) {
        const live = i < rows ? min(visible(n + i) - j, TILE) : 0;
        weigh(P + <usize>i * rowT, live, at(highest, i), at(total, i), at(O, i * E));
      }
      product(FULL, size, E, TILE, P, rowT, at(V, j * E), rowE, O, rowE, true);
    }
    for (let i = 0; i < rows; i++) {
      const sum = load<f32>(at(total, i));
      const inverse = f32x4.splat(1 / sum);
      for (let d = 0; d < E; d += 4) v128.store(at(O, i * E + d), f32x4.mul(inverse, v128.load(at(O, i * E + d))));
      const logTotal = f32x4.extract_lane(log(f32x4.splat(sum)), 0);
      store<f32>(logSumAt(logSum, n) + <usize>i * strideG, load<f32>(at(highest, i)) + logTotal);
    }
    storeRows(O, E, rows, valueWidth, rowsOfOutput(o, n), strideE);
  }
}

/** Scores of a row become weights under its running maximum; what was summed so far is scaled to a new one. */
function weigh(scores: usize, live: i32, highest: usize, total: usize, o: usize): void {
  if (live <= 0) {
    fillZero(scores, TILE);
    return;
  }
  let m = f32x4.splat(HIDDEN);
  const last = live & ~3;
  for (let j = 0; j < last; j += 4) m = f32x4.pmax(m, v128.load(at(scores, j)));
  if (last < live) m = f32x4.pmax(m, v128.bitselect(v128.load(at(scores, last)), m, firstLanes(live - last)));
  const before = load<f32>(highest);
  const now = max(before, maxLanes(m));
  let sum = load<f32>(total);
  if (now > before) {
    const factor = expFlushed(f32x4.splat(before - now));
    for (let d = 0; d < E; d += 4) v128.store(at(o, d), f32x4.mul(factor, v128.load(at(o, d))));
    sum *= f32x4.extract_lane(factor, 0);
    store<f32>(highest, now);
  }
  const shift = f32x4.splat(now);
  let s = zero();
  for (let j = 0; j < last; j += 4) {
    const e = expFlushed(f32x4.sub(v128.load(at(scores, j)), shift));
    v128.store(at(scores, j), e);
    s = f32x4.add(s, e);
  }
  let j = last;
  if (last < live) {
    const e = v128.and(expFlushed(f32x4.sub(v128.load(at(scores, last)), shift)), firstLanes(live - last));
    v128.store(at(scores, last), e);
    s = f32x4.add(s, e);
    j += 4;
  }
  if (j < TILE) fillZero(at(scores, j), TILE - j);
  store<f32>(total, sum + sumLanes(s));
}
