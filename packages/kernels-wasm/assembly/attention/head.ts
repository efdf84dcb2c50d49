import { at, int, num, ptr } from '../lib/args';
import { fillZero, madd, sumLanes, zero } from '../lib/simd';
import { loadRows } from './rows';

// One head of linear attention at work: its numbers, and the scratch that chunks of tokens are loaded into. Module variables are
// each thread's own, since each thread has its own instance.

/** Tokens a chunk: of 32, 64 and 128 the fastest for head dimensions 32 to 128. */
export const CHUNK: i32 = 32;

export const CAUSAL: i32 = 0;
export const BIDIRECTIONAL: i32 = 1;
export const PREFIX: i32 = 2;

export let queries: i32 = 0;
export let keys: i32 = 0;
export let width: i32 = 0;
export let valueWidth: i32 = 0;
/** Extents padded to multiples of 8. */
export let D: i32 = 0;
export let E: i32 = 0;
/** Bytes of their rows, and of a row of chunk x chunk. */
export let rowD: usize = 0;
export let rowE: usize = 0;
export const rowC: usize = <usize>CHUNK << 2;
/** Keys and queries of the part where everyone sees all; the causal part begins there. */
export let seenByAll: i32 = 0;
export let causalFrom: i32 = 0;
export let order: i32 = 1;
export let radius: f32 = 0;
export let a: f32 = 0;
export let b: f32 = 0;
export let c: f32 = 0;

let q: usize = 0;
let k: usize = 0;
let v: usize = 0;
let keyWeights: usize = 0;
/** Bytes between tokens: of q and k, of v and o, of g and the weights of keys. */
export let strideD: usize = 0;
export let strideE: usize = 0;
export let strideG: usize = 0;
/** Offsets of this head in tensors [B, N, H, D], in floats. */
export let queryHead: i32 = 0;
export let keyHead: i32 = 0;

/** [chunk, D]: normalised queries, the same times b, normalised keys. */
export let Q: usize = 0;
export let QB: usize = 0;
export let K: usize = 0;
/** [chunk, E]: m v. [chunk]: m, 0 beyond the last token. */
export let V: usize = 0;
export let M: usize = 0;
/** [D, chunk] and [E, chunk]: transposes, of what the kernel needs. */
export let TD: usize = 0;
export let TE: usize = 0;
/** [chunk, chunk] */
export let P: usize = 0;
export let G: usize = 0;
/** [chunk, D], [chunk, E] and [chunk]: results. */
export let XD: usize = 0;
export let XE: usize = 0;
export let row: usize = 0;
/** A temporary of chunk x D. */
export let T: usize = 0;
/** State: sums of w kᵀ or their like, [D, E] or [E, D], and [D], [E]. Order 2: [D] of those, and [D, D]. */
export let S: usize = 0;
export let z: usize = 0;
export let u: usize = 0;
export let S2: usize = 0;
export let z2: usize = 0;
/** One more [D, E]. */
export let R: usize = 0;
export let count: f64 = 0;

export function setCount(value: f64): void {
  count = value;
}

/**
 * args 0..: q, k, v, coefficients, state, keyWeights, B, N_q, N_k, H, D, D_v, mask, prefix, order, radius. Kernels have theirs from 16 on.
 */
export function enterHead(head: i32, args: usize, scratch: usize): void {
  queries = int(args, 7);
  keys = int(args, 8);
  const heads = int(args, 9);
  width = int(args, 10);
  valueWidth = int(args, 11);
  D = (width + 7) & ~7;
  E = (valueWidth + 7) & ~7;
  rowD = <usize>D << 2;
  rowE = <usize>E << 2;
  const mask = int(args, 12);
  seenByAll = mask == BIDIRECTIONAL ? keys : mask == PREFIX ? int(args, 13) : 0;
  causalFrom = mask == BIDIRECTIONAL ? queries : seenByAll;
  order = int(args, 14);
  radius = num(args, 15);
  const coefficients = ptr(args, 3);
  a = load<f32>(coefficients);
  b = load<f32>(coefficients, 4);
  c = order == 2 ? load<f32>(coefficients, 8) : 0;
  q = ptr(args, 0);
  k = ptr(args, 1);
  v = ptr(args, 2);
  keyWeights = ptr(args, 5);
  strideD = <usize>(heads * width) << 2;
  strideE = <usize>(heads * valueWidth) << 2;
  strideG = <usize>heads << 2;
  const batch = head / heads;
  queryHead = batch * queries * heads + (head % heads);
  keyHead = batch * keys * heads + (head % heads);
  place(scratch);
}

function place(scratch: usize): void {
  Q = scratch;
  QB = at(Q, CHUNK * D);
  K = at(QB, CHUNK * D);
  V = at(K, CHUNK * D);
  M = at(V, CHUNK * E);
  TD = at(M, CHUNK);
  TE = at(TD, CHUNK * D);
  P = at(TE, CHUNK * E);
  G = at(P, CHUNK * CHUNK);
  XD = at(G, CHUNK * CHUNK);
  XE = at(XD, CHUNK * D);
  row = at(XE, CHUNK * E);
  T = at(row, CHUNK);
  S = at(T, CHUNK * D);
  z = at(S, D * E);
  u = at(z, D);
  R = at(u, E);
  z2 = at(R, D * E);
  S2 = at(z2, D * D);
  clearState();
}

export function clearState(): void {
  fillZero(S, D * E);
  fillZero(z, D);
  fillZero(u, E);
  if (order == 2) {
    fillZero(z2, D * D);
    fillZero(S2, D * D * E);
  }
  count = 0;
}

/** Tokens of a chunk, and the same padded. */
// @ts-ignore: decorator
@inline export function liveRows(n: i32, end: i32): i32 {
  return min(CHUNK, end - n);
}

// @ts-ignore: decorator
@inline export function padRows(rows: i32): i32 {
  return (rows + 7) & ~7;
}

// @ts-ignore: decorator
@inline export function queryAt(x: usize, n: i32): usize {
  return at(x, queryHead * width) + <usize>n * strideD;
}

// @ts-ignore: decorator
@inline export function keyAt(x: usize, n: i32): usize {
  return at(x, keyHead * width) + <usize>n * strideD;
}

// @ts-ignore: decorator
@inline export function valueAt(x: usize, n: i32): usize {
  return at(x, keyHead * valueWidth) + <usize>n * strideE;
}

// @ts-ignore: decorator
@inline export function outputAt(x: usize, n: i32): usize {
  return at(x, queryHead * valueWidth) + <usize>n * strideE;
}

// @ts-ignore: decorator
@inline export function denominatorAt(x: usize, n: i32): usize {
  return at(x, queryHead) + <usize>n * strideG;
}

export function rawQuery(n: i32): usize {
  return queryAt(q, n);
}

export function rawKey(n: i32): usize {
  return keyAt(k, n);
}

/** Q and QB of `rows` queries from n on. */
export function loadQueries(n: i32, rows: i32, size: i32): void {
  loadRows(queryAt(q, n), strideD, rows, width, D, size, radius, 1, Q);
  const bs = f32x4.splat(b);
  for (let i = 0; i < size * D; i += 4) v128.store(at(QB, i), f32x4.mul(bs, v128.load(at(Q, i))));
}

/** K, V and M of `rows` keys from n on. */
export function loadKeys(n: i32, rows: i32, size: i32): void {
  loadRows(keyAt(k, n), strideD, rows, width, D, size, radius, 1, K);
  loadRows(valueAt(v, n), strideE, rows, valueWidth, E, size, 0, 1, V);
  for (let i = 0; i < size; i++) {
    let m: f32 = i < rows ? 1 : 0;
    if (keyWeights && i < rows) {
      m = load<f32>(at(keyWeights, keyHead) + <usize>(n + i) * strideG);
      const ms = f32x4.splat(m);
      for (let d = 0; d < E; d += 4) v128.store(at(V, i * E + d), f32x4.mul(ms, v128.load(at(V, i * E + d))));
    }
    store<f32>(at(M, i), m);
  }
}

/** z += Σ m k, u += Σ m v, count += Σ m. */
export function absorbSums(size: i32): void {
  let total: f64 = 0;
  for (let i = 0; i < size; i++) {
    const m = load<f32>(at(M, i));
    total += m;
    addRow(D, m, at(K, i * D), z);
    addRow(E, 1, at(V, i * E), u);
  }
  count += total;
}

/** y[0..n) += s x */
// @ts-ignore: decorator
@inline export function addRow(n: i32, s: f32, x: usize, y: usize): void {
  const ss = f32x4.splat(s);
  for (let d = 0; d < n; d += 4) v128.store(at(y, d), madd(ss, v128.load(at(x, d)), v128.load(at(y, d))));
}

// @ts-ignore: decorator
@inline export function dotRow(n: i32, x: usize, y: usize): f32 {
  let s = zero();
  for (let d = 0; d < n; d += 4) s = madd(v128.load(at(x, d)), v128.load(at(y, d)), s);
  return sumLanes(s);
}

/** T[n, :] = s x[n, i] x[n, :]: the second-order features of x with first index i. */
export function secondOrder(x: usize, i: i32, s: f32, size: i32): void {
  for (let n = 0; n < size; n++) {
    const from = at(x, n * D);
    const factor = f32x4.splat(s * load<f32>(at(from, i)));
    const to = at(T, n * D);
    for (let d = 0; d < D; d += 4) v128.store(at(to, d), f32x4.mul(factor, v128.load(at(from, d))));
  }
}
