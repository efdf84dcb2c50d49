import { at, int, ptr } from '../lib/args';
import { firstLanes, madd, sumLanes, transposeTile, zero } from '../lib/simd';
import { FULL, LOWER_A, LOWER_C, product } from '../lib/tile';
import {
  a,
  absorbSums,
  b,
  c,
  causalFrom,
  CHUNK,
  count,
  D,
  denominatorAt,
  dotRow,
  E,
  enterGroup,
  groupSize,
  head,
  K,
  liveRows,
  loadKeys,
  loadQueries,
  M,
  order,
  outputAt,
  P,
  padRows,
  Q,
  QB,
  queries,
  row,
  rowC,
  rowD,
  rowE,
  S,
  S2,
  secondOrder,
  seenByAll,
  selectHead,
  strideE,
  strideG,
  T,
  TD,
  touchKeys,
  touchQueries,
  u,
  V,
  valueWidth,
  width,
  XD,
  XE,
  z,
  z2,
} from './head';
import { storeRows } from './rows';
import { loadState, storeState } from './state';

/**
 * [g o, g] = T(weights · ψ(q), ψ(k), w): chunks of tokens in order, the state of all earlier ones in scratch.
 * Block: a group of heads. args from 17: o, g, final state (0: none), state elements a head
 */
export function linearAttention(group: i32, args: usize, scratch: usize): void {
  enterGroup(group, args, scratch);
  const o = ptr(args, 17);
  const g = ptr(args, 18);
  const initialState = ptr(args, 4);
  const finalState = ptr(args, 19);
  const stateSize = int(args, 20);
  for (let i = 0; initialState && i < groupSize; i++) {
    selectHead(i);
    loadState(at(initialState, head * stateSize), false);
  }
  // Where everyone sees the same keys, the state holds all that is needed.
  for (let n = 0; n < seenByAll; n += CHUNK) {
    const rows = liveRows(n, seenByAll);
    touchKeys(n, rows);
    for (let i = 0; i < groupSize; i++) {
      selectHead(i);
      loadKeys(n, rows, padRows(rows));
      absorb(padRows(rows));
    }
  }
  for (let n = 0; n < causalFrom; n += CHUNK) {
    const rows = liveRows(n, causalFrom);
    touchQueries(n, rows);
    for (let i = 0; i < groupSize; i++) {
      selectHead(i);
      loadQueries(n, rows, padRows(rows));
      lookUp(padRows(rows));
      finish(n, rows, o, g);
    }
  }
  for (let n = causalFrom; n < queries; n += CHUNK) {
    const rows = liveRows(n, queries);
    touchQueries(n, rows);
    touchKeys(n, rows);
    for (let i = 0; i < groupSize; i++) {
      selectHead(i);
      causalChunk(n, rows, padRows(rows), o, g);
    }
  }
  for (let i = 0; finalState && i < groupSize; i++) {
    selectHead(i);
    storeState(at(finalState, head * stateSize), false);
  }
}

function causalChunk(n: i32, rows: i32, size: i32, o: usize, g: usize): void {
  loadQueries(n, rows, size);
  loadKeys(n, rows, size);
  lookUp(size);
  transposeTile(size, D, K, rowD, TD, rowC);
  within(size);
  finish(n, rows, o, g);
  absorbTransposed(size);
}

/** XE = g o and row = g, of what the state holds: a u + b q S + c (q⊗q) S2. */
function lookUp(size: i32): void {
  product(FULL, size, E, D, QB, rowD, S, rowE, XE, rowE, false);
  if (order == 2) {
    for (let i = 0; i < width; i++) {
      secondOrder(Q, i, c, size);
      product(FULL, size, E, D, T, rowD, at(S2, i * D * E), rowE, XE, rowE, true);
    }
    product(FULL, size, D, D, Q, rowD, z2, rowD, XD, rowD, false);
  }
  const as = f32x4.splat(a);
  const base = a * <f32>count();
  for (let i = 0; i < size; i++) {
    const x = at(XE, i * E);
    for (let j = 0; j < E; j += 4) v128.store(at(x, j), madd(as, v128.load(at(u, j)), v128.load(at(x, j))));
    let g = base + dotRow(D, at(QB, i * D), z);
    if (order == 2) g += c * dotRow(D, at(Q, i * D), at(XD, i * D));
    store<f32>(at(row, i), g);
  }
}

/** Adds what the chunk's own keys give: P = f(q kᵀ), lower triangle; TD holds the transposed keys. */
function within(size: i32): void {
  product(LOWER_C, size, size, D, order == 2 ? Q : QB, rowD, TD, rowC, P, rowC, false);
  const as = f32x4.splat(a);
  const bs = f32x4.splat(b);
  const cs = f32x4.splat(c);
  for (let i = 0; i < size; i++) {
    const scores = P + <usize>i * rowC;
    let sum = zero();
    for (let j = 0; j <= i; j += 4) {
      const s = v128.load(at(scores, j));
      let f = order == 2 ? madd(s, madd(cs, s, bs), as) : f32x4.add(s, as);
      if (j + 4 > i) f = v128.and(f, firstLanes(i + 1 - j));
      v128.store(at(scores, j), f);
      sum = madd(f, v128.load(at(M, j)), sum);
    }
    store<f32>(at(row, i), load<f32>(at(row, i)) + sumLanes(sum));
  }
  product(LOWER_A, size, E, size, P, rowC, V, rowE, XE, rowE, true);
}

/** o = (g o) / g */
function finish(n: i32, rows: i32, o: usize, g: usize): void {
  for (let i = 0; i < rows; i++) {
    const total = load<f32>(at(row, i));
    store<f32>(denominatorAt(g, n) + <usize>i * strideG, total);
    const inverse = f32x4.splat(1 / total);
    const x = at(XE, i * E);
    for (let j = 0; j < E; j += 4) v128.store(at(x, j), f32x4.mul(inverse, v128.load(at(x, j))));
  }
  storeRows(XE, E, rows, valueWidth, outputAt(o, n), strideE);
}

/** Adds the loaded keys and values to the state. */
function absorb(size: i32): void {
  transposeTile(size, D, K, rowD, TD, rowC);
  absorbTransposed(size);
}

function absorbTransposed(size: i32): void {
  product(FULL, D, E, size, TD, rowC, V, rowE, S, rowE, true);
  absorbSums(size, true);
  if (order == 1) return;
  for (let n = 0; n < size; n++) {
    const m = f32x4.splat(load<f32>(at(M, n)));
    for (let d = 0; d < D; d += 4) v128.store(at(T, n * D + d), f32x4.mul(m, v128.load(at(K, n * D + d))));
  }
  product(FULL, D, D, size, TD, rowC, T, rowD, z2, rowD, true);
  for (let i = 0; i < width; i++) {
    // (k k_i)ᵀ, in place of the temporary: [D, chunk] fits where [chunk, D] does.
    const ki = TD + <usize>i * rowC;
    for (let d = 0; d < D; d++) {
      for (let n: usize = 0; n < rowC; n += 16) {
        const at4 = <usize>d * rowC + n;
        v128.store(T + at4, f32x4.mul(v128.load(TD + at4), v128.load(ki + n)));
      }
    }
    product(FULL, D, E, size, T, rowC, V, rowE, at(S2, i * D * E), rowE, true);
  }
}
