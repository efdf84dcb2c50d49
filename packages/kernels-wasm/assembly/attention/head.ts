import { at, int, num, ptr } from '../lib/args';
import { fillZero, madd, sumLanes, zero } from '../lib/simd';
import { addColumnSums, loadRows } from './rows';

// Linear attention at work on a group of neighbouring heads: their numbers, the scratch that a head's chunk of tokens is loaded
// into, and each head's state. A chunk is done for all heads of the group before the next one, since tokens lie [N, H, D] in
// memory: a head alone would pick its few cache lines from a new page for every token. Module variables are each thread's own,
// since each thread has its own instance.

/** Tokens a chunk: what tokens of one chunk do among themselves grows with it, reading and writing the state shrinks. 16 is fastest. */
export const CHUNK: i32 = 16;

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
/** The group: its batch, its first head in the batch, how many heads. */
let batch: i32 = 0;
let firstHead: i32 = 0;
let headsInBatch: i32 = 0;
export let groupSize: i32 = 0;
/** The selected head, counted over all batches, and its offsets in tensors [B, N, H, ...], in rows. */
export let head: i32 = 0;
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
/** One more [D, E], of no head. */
export let R: usize = 0;
/** Float64 numbers of a head: the count of tokens, then sums for the gradients of a, b and c. */
let numbers: usize = 0;
let states: usize = 0;

// @ts-ignore: decorator
@inline export function count(): f64 {
  return load<f64>(numbers);
}

// @ts-ignore: decorator
@inline export function setCount(value: f64): void {
  store<f64>(numbers, value);
}

/** Adds to the sum for a (1), b (2) or c (3). */
// @ts-ignore: decorator
@inline export function addToSum(i: i32, value: f64): void {
  const p = numbers + (<usize>i << 3);
  store<f64>(p, load<f64>(p) + value);
}

// @ts-ignore: decorator
@inline export function sumOf(i: i32): f32 {
  return <f32>load<f64>(numbers + (<usize>i << 3));
}

/**
 * Begins on a group, with states of zeros. args 0..: q, k, v, coefficients, state, keyWeights, B, N_q, N_k, H, D, D_v, mask, prefix,
 * order, radius, heads in a group. Kernels have theirs from 17 on.
 */
export function enterGroup(group: i32, args: usize, scratch: usize): void {
  queries = int(args, 7);
  keys = int(args, 8);
  headsInBatch = int(args, 9);
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
  strideD = <usize>(headsInBatch * width) << 2;
  strideE = <usize>(headsInBatch * valueWidth) << 2;
  strideG = <usize>headsInBatch << 2;
  const size = int(args, 16);
  const groups = (headsInBatch + size - 1) / size;
  batch = group / groups;
  firstHead = (group % groups) * size;
  groupSize = min(size, headsInBatch - firstHead);
  place(scratch);
}

/** Makes head i of the group the one that all functions work on. */
export function selectHead(i: i32): void {
  const inBatch = firstHead + i;
  head = batch * headsInBatch + inBatch;
  queryHead = batch * queries * headsInBatch + inBatch;
  keyHead = batch * keys * headsInBatch + inBatch;
  numbers = at(states, i * stateFloats());
  S = at(numbers, 16);
  z = at(S, D * E);
  u = at(z, D);
  z2 = at(u, E);
  S2 = at(z2, D * D);
}

/** Floats of one head's numbers and state. */
function stateFloats(): i32 {
  return 16 + D * E + D + E + (order == 2 ? D * D + D * D * E : 0);
}

function place(scratch: usize): void {
  Q = scratch;
  const second = at(Q, CHUNK * D);
  // With b = 1 the two are one.
  QB = b == 1 ? Q : second;
  K = at(second, CHUNK * D);
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
  R = at(T, CHUNK * D);
  states = at(R, D * E);
  fillZero(states, groupSize * stateFloats());
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

/** Where `touch` leaves what it read, so that it is not optimised away. */
let touched: u32 = 0;

/**
 * Reads one word of every cache line of `rows` tokens of the whole group, in order: they come from memory in a stream, and what
 * then picks them head by head finds them in the cache. WASM has no other way to prefetch.
 */
function touch(x: usize, stride: usize, rows: i32, floats: i32): void {
  const bytes = <usize>(groupSize * floats) << 2;
  let sum: u32 = 0;
  for (let i = 0; i < rows; i++) {
    const from = x + <usize>i * stride;
    let line = from;
    const end = from + bytes;
    for (; line + 512 <= end; line += 512) {
      sum += load<u32>(line) + load<u32>(line, 64) + load<u32>(line, 128) + load<u32>(line, 192);
      sum += load<u32>(line, 256) + load<u32>(line, 320) + load<u32>(line, 384) + load<u32>(line, 448);
    }
    for (; line < end; line += 64) sum += load<u32>(line);
  }
  touched += sum;
}

/** Before the heads of a group take the tokens from n on. */
export function touchQueries(n: i32, rows: i32): void {
  if (groupSize == 1) return;
  selectHead(0);
  touch(queryAt(q, n), strideD, rows, width);
}

export function touchKeys(n: i32, rows: i32): void {
  if (groupSize == 1) return;
  selectHead(0);
  touch(keyAt(k, n), strideD, rows, width);
  touch(valueAt(v, n), strideE, rows, valueWidth);
}

/** Outputs, or their gradients, of the queries from n on. */
export function touchOutputs(x: usize, n: i32, rows: i32): void {
  if (groupSize == 1) return;
  selectHead(0);
  touch(outputAt(x, n), strideE, rows, valueWidth);
}

/** Q and QB of `rows` queries from n on. */
export function loadQueries(n: i32, rows: i32, size: i32): void {
  loadRows(queryAt(q, n), strideD, rows, width, D, size, radius, 1, Q);
  if (b == 1) return;
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

/** z += Σ m k, count += Σ m; and u += Σ m v where it is wanted. */
export function absorbSums(size: i32, values: bool): void {
  let total: f64 = 0;
  for (let i = 0; i < size; i++) total += load<f32>(at(M, i));
  addColumnSums(K, D, size, M, 1, z);
  if (values) addColumnSums(V, E, size, 0, 1, u);
  setCount(count() + total);
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
