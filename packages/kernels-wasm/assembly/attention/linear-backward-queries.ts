import { at, int, ptr } from '../lib/args';
import { firstLanes, madd, sumLanes, transposeTile, zero } from '../lib/simd';
import { FULL, LOWER_A, LOWER_C, product } from '../lib/tile';
import {
  absorbSums,
  addRow,
  addToSum,
  b,
  c,
  causalFrom,
  CHUNK,
  count,
  D,
  dotRow,
  E,
  enterGroup,
  G,
  groupSize,
  head,
  K,
  liveRows,
  loadKeys,
  loadQueries,
  M,
  order,
  P,
  padRows,
  Q,
  queries,
  queryAt,
  R,
  radius,
  rawQuery,
  row,
  rowC,
  rowD,
  rowE,
  S,
  S2,
  secondOrder,
  seenByAll,
  selectHead,
  strideD,
  sumOf,
  T,
  TD,
  TE,
  touchKeys,
  touchOutputs,
  touchQueries,
  u,
  V,
  width,
  XD,
  XE,
  z,
  z2,
} from './head';
import { loadOutputGradients } from './output-gradients';
import { storeRowGradients } from './rows';
import { loadState } from './state';

/** Whether d(a, b, c) are wanted. */
let summed: bool = false;

/**
 * dq_i = Σ ds_in k_n and d(a, b, c), queries in order under the running state, with matrices transposed ([E, D]).
 * args from 17: o, g, dO, dState, dq, dk, dv, dS0, coefficient gradients [heads, 4], state elements a head, whether those are wanted
 */
export function linearBackwardQueries(group: i32, args: usize, scratch: usize): void {
  enterGroup(group, args, scratch);
  summed = int(args, 27) != 0;
  const initialState = ptr(args, 4);
  for (let i = 0; initialState && i < groupSize; i++) {
    selectHead(i);
    loadState(at(initialState, head * int(args, 26)), true);
  }
  for (let n = 0; n < seenByAll; n += CHUNK) {
    const rows = liveRows(n, seenByAll);
    touchKeys(n, rows);
    for (let i = 0; i < groupSize; i++) {
      selectHead(i);
      takeKeys(n, rows, padRows(rows));
      absorb(padRows(rows));
    }
  }
  for (let n = 0; n < queries; ) {
    const causal = n >= causalFrom;
    const rows = liveRows(n, causal ? queries : causalFrom);
    const size = padRows(rows);
    touchQueries(n, rows);
    touchOutputs(ptr(args, 17), n, rows);
    touchOutputs(ptr(args, 19), n, rows);
    if (causal) touchKeys(n, rows);
    for (let i = 0; i < groupSize; i++) {
      selectHead(i);
      loadQueries(n, rows, size);
      loadOutputGradients(n, rows, size, args);
      lookBack(size);
      if (causal) {
        takeKeys(n, rows, size);
        within(size);
        absorb(size);
      }
      if (order == 1) finish(size);
      storeRowGradients(XD, D, rows, width, radius, rawQuery(n), queryAt(ptr(args, 21), n), strideD);
    }
    n += rows;
  }
  for (let i = 0; summed && i < groupSize; i++) {
    selectHead(i);
    const sums = at(ptr(args, 25), head * 4);
    store<f32>(sums, sumOf(1));
    store<f32>(sums, sumOf(2), 4);
    store<f32>(sums, sumOf(3), 8);
  }
}

function takeKeys(n: i32, rows: i32, size: i32): void {
  loadKeys(n, rows, size);
  transposeTile(size, E, V, rowE, TE, rowC);
  if (order == 2) transposeTile(size, D, K, rowD, TD, rowC);
}

/** XD = Σ G k from the state: S Ohat - delta z; of order 2, dq. XE holds Ohat, row delta. */
function lookBack(size: i32): void {
  product(FULL, size, D, E, XE, rowE, S, rowD, XD, rowD, false);
  for (let i = 0; i < size; i++) {
    const delta = load<f32>(at(row, i));
    addRow(D, -delta, z, at(XD, i * D));
    if (summed) addToSum(1, dotRow(E, at(XE, i * E), u) - delta * <f32>count());
  }
  if (order == 1) return;
  finish(size);
  for (let i = 0; i < width; i++) {
    // T = dψ_i·: the gradient of the features q_i q, row by row.
    product(FULL, size, D, E, XE, rowE, at(S2, i * D * E), rowD, T, rowD, false);
    for (let n = 0; n < size; n++) {
      const t = at(T, n * D);
      const x = at(XD, n * D);
      addRow(D, -load<f32>(at(row, n)), at(z2, i * D), t);
      const qi = load<f32>(at(Q, n * D + i));
      const along = dotRow(D, at(Q, n * D), t);
      if (summed) addToSum(3, qi * along);
      addRow(D, c * qi, t, x);
      store<f32>(at(x, i), load<f32>(at(x, i)) + c * along);
    }
  }
}

/** Adds what the chunk's own keys give: G = v Ohat - delta, lower triangle; ds = f'(s) G. */
function within(size: i32): void {
  product(LOWER_C, size, size, E, XE, rowE, TE, rowC, G, rowC, false);
  if (order == 2) product(LOWER_C, size, size, D, Q, rowD, TD, rowC, P, rowC, false);
  const bs = f32x4.splat(b);
  const twoC = f32x4.splat(2 * c);
  for (let i = 0; i < size; i++) {
    const gradients = G + <usize>i * rowC;
    const scores = P + <usize>i * rowC;
    const delta = f32x4.splat(-load<f32>(at(row, i)));
    let sum = zero();
    let sumS = zero();
    let sumS2 = zero();
    for (let j = 0; j <= i; j += 4) {
      let g = madd(delta, v128.load(at(M, j)), v128.load(at(gradients, j)));
      if (j + 4 > i) g = v128.and(g, firstLanes(i + 1 - j));
      sum = f32x4.add(sum, g);
      if (order == 2) {
        const s = v128.load(at(scores, j));
        const sg = f32x4.mul(s, g);
        sumS = f32x4.add(sumS, sg);
        sumS2 = madd(s, sg, sumS2);
        g = f32x4.mul(g, madd(twoC, s, bs));
      }
      v128.store(at(gradients, j), g);
    }
    if (!summed) continue;
    addToSum(1, sumLanes(sum));
    addToSum(2, sumLanes(sumS));
    addToSum(3, sumLanes(sumS2));
  }
  product(LOWER_A, size, D, size, G, rowC, K, rowD, XD, rowD, true);
}

/** XD = Σ G k: db is the sum of q · XD, and dq (of order 1) b XD. */
function finish(size: i32): void {
  const bs = f32x4.splat(b);
  for (let i = 0; i < size; i++) {
    const x = at(XD, i * D);
    if (summed) addToSum(2, dotRow(D, at(Q, i * D), x));
    if (b == 1) continue;
    for (let d = 0; d < D; d += 4) v128.store(at(x, d), f32x4.mul(bs, v128.load(at(x, d))));
  }
}

/** Adds the loaded keys and values to the state; TE holds the transposed values, TD (order 2) the transposed keys. */
function absorb(size: i32): void {
  product(FULL, E, D, size, TE, rowC, K, rowD, S, rowD, true);
  absorbSums(size, summed);
  if (order == 1) return;
  for (let n = 0; n < size; n++) {
    const m = f32x4.splat(load<f32>(at(M, n)));
    for (let d = 0; d < D; d += 4) v128.store(at(T, n * D + d), f32x4.mul(m, v128.load(at(K, n * D + d))));
  }
  product(FULL, D, D, size, TD, rowC, T, rowD, z2, rowD, true);
  for (let i = 0; i < width; i++) {
    secondOrder(K, i, 1, size);
    product(FULL, E, D, size, TE, rowC, T, rowD, at(S2, i * D * E), rowD, true);
  }
}
