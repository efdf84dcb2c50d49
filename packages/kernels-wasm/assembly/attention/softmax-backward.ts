import { at, ptr } from '../lib/args';
import { expFlushed } from '../lib/functions';
import { fillZero, firstLanes, madd, sumLanes, transposeTile, zero } from '../lib/simd';
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

/**
 * P_in = exp(scale q_i·k_n - logSum_i) again, tile by tile: dv = Pᵀ dO, ds = P (dO·v - o·dO), dq = scale ds k, dk = scale dsᵀ q.
 * Block: one head. args from 12: o, logSum, dO, dq, dk, dv
 */
export function softmaxBackward(head: i32, args: usize, scratch: usize): void {
  enterSoftmaxHead(head, args);
  const paddedQ = padTiles(queries);
  // All queries of the head: scale q, dO, their tiles transposed, dq, and a row's numbers.
  const Q = scratch;
  const dO = at(Q, paddedQ * D);
  const QT = at(dO, paddedQ * E);
  const dOT = at(QT, paddedQ * D);
  const dQ = at(dOT, paddedQ * E);
  const logSums = at(dQ, paddedQ * D);
  const deltas = at(logSums, paddedQ);
  // One tile of keys.
  const K = at(deltas, paddedQ);
  const V = at(K, TILE * D);
  const dK = at(V, TILE * E);
  const dV = at(dK, TILE * D);
  const P = at(dV, TILE * E);
  const G = at(P, TILE * TILE);
  const GT = at(G, TILE * TILE);

  loadRows(rowsOfQuery(ptr(args, 0), 0), strideD, queries, width, D, paddedQ, 0, scale, Q);
  loadRows(rowsOfOutput(ptr(args, 14), 0), strideE, queries, valueWidth, E, paddedQ, 0, 1, dO);
  fillZero(dQ, paddedQ * D);
  fillZero(logSums, 2 * paddedQ);
  loadRows(rowsOfOutput(ptr(args, 12), 0), strideE, queries, valueWidth, E, paddedQ, 0, 1, dOT);
  for (let i = 0; i < queries; i++) {
    store<f32>(at(logSums, i), load<f32>(logSumAt(ptr(args, 13), i)));
    let s = zero();
    for (let d = 0; d < E; d += 4) s = madd(v128.load(at(dOT, i * E + d)), v128.load(at(dO, i * E + d)), s);
    store<f32>(at(deltas, i), sumLanes(s));
  }
  for (let n = 0; n < queries; n += TILE) {
    transposeTile(TILE, D, at(Q, n * D), rowD, at(QT, n * D), rowT);
    transposeTile(TILE, E, at(dO, n * E), rowE, at(dOT, n * E), rowT);
  }

  for (let j = 0; j < keys; j += TILE) {
    const rows = min(TILE, keys - j);
    loadRows(rowsOfKey(ptr(args, 1), j), strideD, rows, width, D, TILE, 0, 1, K);
    loadRows(rowsOfValue(ptr(args, 2), j), strideE, rows, valueWidth, E, TILE, 0, 1, V);
    fillZero(dK, TILE * D);
    fillZero(dV, TILE * E);
    for (let n = 0; n < queries; n += TILE) {
      const live = min(TILE, queries - n);
      if (visible(n + live - 1) <= j) continue;
      product(FULL, TILE, TILE, D, K, rowD, at(QT, n * D), rowT, P, rowT, false);
      product(FULL, TILE, TILE, E, V, rowE, at(dOT, n * E), rowT, G, rowT, false);
      for (let r = 0; r < TILE; r++) {
        const scores = P + <usize>r * rowT;
        const gradients = G + <usize>r * rowT;
        const first = r < rows ? firstThatSees(j + r, n) : TILE;
        for (let i = 0; i < TILE; i += 4) {
          const exponent = f32x4.sub(v128.load(at(scores, i)), v128.load(at(logSums, n + i)));
          let p = v128.andnot(expFlushed(exponent), firstLanes(first - i));
          if (i + 4 > live) p = v128.and(p, firstLanes(live - i));
          v128.store(at(scores, i), p);
          const d = f32x4.sub(v128.load(at(gradients, i)), v128.load(at(deltas, n + i)));
          v128.store(at(gradients, i), f32x4.mul(p, d));
        }
      }
      product(FULL, TILE, E, TILE, P, rowT, at(dO, n * E), rowE, dV, rowE, true);
      product(FULL, TILE, D, TILE, G, rowT, at(Q, n * D), rowD, dK, rowD, true);
      transposeTile(TILE, TILE, G, rowT, GT, rowT);
      product(FULL, TILE, D, TILE, GT, rowT, K, rowD, at(dQ, n * D), rowD, true);
    }
    // Q carries the scale already.
    storeRows(dK, D, rows, width, rowsOfKey(ptr(args, 16), j), strideD);
    storeRows(dV, E, rows, valueWidth, rowsOfValue(ptr(args, 17), j), strideE);
  }
  const scales = f32x4.splat(scale);
  for (let i = 0; i < queries * D; i += 4) v128.store(at(dQ, i), f32x4.mul(scales, v128.load(at(dQ, i))));
  storeRows(dQ, D, queries, width, rowsOfQuery(ptr(args, 15), 0), strideD);
}

/** The first query from n on, counted from n, that sees this key (all later ones do too); TILE or more for none in the tile. */
function firstThatSees(key: i32, n: i32): i32 {
  return visible(n) > key ? 0 : max(0, key - n);
}
