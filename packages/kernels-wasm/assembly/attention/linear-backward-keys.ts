import { at, int, ptr } from '../lib/args';
import { firstLanes, madd, transposeTile } from '../lib/simd';
import { FULL, product, UPPER_A, UPPER_C } from '../lib/tile';
import {
  a,
  addRow,
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
  keyAt,
  liveRows,
  loadKeys,
  loadQueries,
  M,
  order,
  P,
  padRows,
  Q,
  QB,
  queries,
  R,
  radius,
  rawKey,
  row,
  rowC,
  rowD,
  rowE,
  S,
  S2,
  secondOrder,
  seenByAll,
  selectHead,
  setCount,
  strideD,
  strideE,
  T,
  TD,
  TE,
  touchKeys,
  touchOutputs,
  touchQueries,
  u,
  V,
  valueAt,
  valueWidth,
  width,
  XD,
  XE,
  z,
  z2,
} from './head';
import { loadOutputGradients } from './output-gradients';
import { addColumnSums, storeRowGradients, storeRows } from './rows';
import { loadState, storeState } from './state';

/**
 * dk_n = Σ ds_in q_i and dv_n = m_n Σ f(s_in) Ohat_i, keys in reverse under R = Σ weights ψ(q) eᵀ of the queries that see them
 * (e = [Ohat, -delta]), with matrices transposed ([E, D]). Arguments as of `linearBackwardQueries`.
 */
export function linearBackwardKeys(group: i32, args: usize, scratch: usize): void {
  enterGroup(group, args, scratch);
  const finalGradient = ptr(args, 20);
  const initialGradient = ptr(args, 24);
  const stateSize = int(args, 26);
  for (let i = 0; finalGradient && i < groupSize; i++) {
    selectHead(i);
    loadState(at(finalGradient, head * stateSize), true);
  }
  const causal = queries - causalFrom;
  for (let n = causalFrom + ((causal - 1) / CHUNK) * CHUNK; causal > 0 && n >= causalFrom; n -= CHUNK) {
    const rows = liveRows(n, queries);
    touchKeys(n, rows);
    touchQueryRows(n, rows, args);
    for (let i = 0; i < groupSize; i++) {
      selectHead(i);
      causalChunk(n, rows, padRows(rows), args);
    }
  }
  for (let n = 0; n < causalFrom; n += CHUNK) {
    const rows = liveRows(n, causalFrom);
    touchQueryRows(n, rows, args);
    for (let i = 0; i < groupSize; i++) {
      selectHead(i);
      takeQueries(n, rows, padRows(rows), args);
      absorb(padRows(rows));
    }
  }
  for (let n = 0; n < seenByAll; n += CHUNK) {
    const rows = liveRows(n, seenByAll);
    touchKeys(n, rows);
    for (let i = 0; i < groupSize; i++) {
      selectHead(i);
      loadKeys(n, rows, padRows(rows));
      prepareTransposes();
      keyGradients(padRows(rows));
      valueGradients(padRows(rows), false);
      storeGradients(n, rows, args);
    }
  }
  for (let i = 0; initialGradient && i < groupSize; i++) {
    selectHead(i);
    storeState(at(initialGradient, head * stateSize), true);
  }
}

function touchQueryRows(n: i32, rows: i32, args: usize): void {
  touchQueries(n, rows);
  touchOutputs(ptr(args, 17), n, rows);
  touchOutputs(ptr(args, 19), n, rows);
}

function causalChunk(n: i32, rows: i32, size: i32, args: usize): void {
  loadKeys(n, rows, size);
  takeQueries(n, rows, size, args);
  prepareTransposes();
  keyGradients(size);
  scoresOf(size);
  product(UPPER_A, size, D, size, G, rowC, order == 2 ? Q : QB, rowD, XD, rowD, true);
  // V has done its work: from here on it holds dv.
  product(UPPER_A, size, E, size, P, rowC, XE, rowE, V, rowE, false);
  valueGradients(size, true);
  storeGradients(n, rows, args);
  absorb(size);
}

/** Loads queries and their output gradients; TE and TD hold the transposes. */
function takeQueries(n: i32, rows: i32, size: i32, args: usize): void {
  loadQueries(n, rows, size);
  loadOutputGradients(n, rows, size, args);
  transposeTile(size, E, XE, rowE, TE, rowC);
  transposeTile(size, D, order == 2 ? Q : QB, rowD, TD, rowC);
}

function storeGradients(n: i32, rows: i32, args: usize): void {
  storeRowGradients(XD, D, rows, width, radius, rawKey(n), keyAt(ptr(args, 22), n), strideD);
  storeRows(V, E, rows, valueWidth, valueAt(ptr(args, 23), n), strideE);
}

/** R = [D, E] of order 1, for values. */
function prepareTransposes(): void {
  transposeTile(E, D, S, rowD, R, rowE);
}

/** XD = dψ(k) of the state, brought to k: R w, and of order 2 (dψ_ij + dψ_ji) k_j. V and M hold w. */
function keyGradients(size: i32): void {
  product(FULL, size, D, E, V, rowE, S, rowD, XD, rowD, false);
  for (let n = 0; n < size; n++) addRow(D, load<f32>(at(M, n)), z, at(XD, n * D));
  if (order == 1) return;
  for (let i = 0; i < width; i++) {
    product(FULL, size, D, E, V, rowE, at(S2, i * D * E), rowD, T, rowD, false);
    for (let n = 0; n < size; n++) {
      const t = at(T, n * D);
      const x = at(XD, n * D);
      addRow(D, load<f32>(at(M, n)), at(z2, i * D), t);
      addRow(D, load<f32>(at(K, n * D + i)), t, x);
      store<f32>(at(x, i), load<f32>(at(x, i)) + dotRow(D, at(K, n * D), t));
    }
  }
}

/** P = f(s)ᵀ and G = dsᵀ, upper triangles: rows are keys, columns queries at or after them. */
function scoresOf(size: i32): void {
  product(UPPER_C, size, size, D, K, rowD, TD, rowC, P, rowC, false);
  product(UPPER_C, size, size, E, V, rowE, TE, rowC, G, rowC, false);
  const as = f32x4.splat(a);
  const bs = f32x4.splat(b);
  const cs = f32x4.splat(c);
  const twoC = f32x4.splat(2 * c);
  for (let n = 0; n < size; n++) {
    const scores = P + <usize>n * rowC;
    const gradients = G + <usize>n * rowC;
    const m = f32x4.splat(-load<f32>(at(M, n)));
    for (let i = n & ~3; i < size; i += 4) {
      const s = v128.load(at(scores, i));
      let f = order == 2 ? madd(s, madd(cs, s, bs), as) : f32x4.add(s, as);
      let g = madd(m, v128.load(at(row, i)), v128.load(at(gradients, i)));
      if (order == 2) g = f32x4.mul(g, madd(twoC, s, bs));
      if (i < n) {
        const hidden = firstLanes(n - i);
        f = v128.andnot(f, hidden);
        g = v128.andnot(g, hidden);
      }
      v128.store(at(scores, i), f);
      v128.store(at(gradients, i), g);
    }
  }
}

/** V (+)= what the state gives to values: R_u + k R + (k⊗k) R2; then times m. */
function valueGradients(size: i32, accumulate: bool): void {
  product(FULL, size, E, D, K, rowD, R, rowE, V, rowE, accumulate);
  if (order == 2) {
    for (let i = 0; i < width; i++) {
      secondOrder(K, i, 1, size);
      transposeTile(E, D, at(S2, i * D * E), rowD, R, rowE);
      product(FULL, size, E, D, T, rowD, R, rowE, V, rowE, true);
    }
    prepareTransposes();
  }
  for (let n = 0; n < size; n++) {
    const m = f32x4.splat(load<f32>(at(M, n)));
    const x = at(V, n * E);
    for (let j = 0; j < E; j += 4) {
      v128.store(at(x, j), f32x4.mul(m, f32x4.add(v128.load(at(x, j)), v128.load(at(u, j)))));
    }
  }
}

/** R += weights ψ(q) eᵀ of the loaded queries; TE holds the transposed Ohat, and for order 2 TD the transposed q. */
function absorb(size: i32): void {
  product(FULL, E, D, size, TE, rowC, QB, rowD, S, rowD, true);
  let deltas: f64 = 0;
  for (let i = 0; i < size; i++) deltas += load<f32>(at(row, i));
  addColumnSums(QB, D, size, row, -1, z);
  addColumnSums(XE, E, size, 0, a, u);
  setCount(count() - <f64>a * deltas);
  if (order == 1) return;
  for (let i = 0; i < size; i++) {
    const factor = f32x4.splat(-c * load<f32>(at(row, i)));
    for (let d = 0; d < D; d += 4) v128.store(at(T, i * D + d), f32x4.mul(factor, v128.load(at(Q, i * D + d))));
  }
  product(FULL, D, D, size, TD, rowC, T, rowD, z2, rowD, true);
  for (let i = 0; i < width; i++) {
    secondOrder(Q, i, c, size);
    product(FULL, E, D, size, TE, rowC, T, rowD, at(S2, i * D * E), rowD, true);
  }
}
