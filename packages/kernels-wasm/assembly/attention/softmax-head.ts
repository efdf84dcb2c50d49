import { at, int, num, ptr } from '../lib/args';
import { BIDIRECTIONAL, CAUSAL } from './head';

// One head of softmax attention at work; see head.ts for why these are module variables.

/** Tokens a tile: scores of a tile stay in the first cache. */
export const TILE: i32 = 64;
export const rowT: usize = <usize>TILE << 2;

export let queries: i32 = 0;
export let keys: i32 = 0;
export let width: i32 = 0;
export let valueWidth: i32 = 0;
export let D: i32 = 0;
export let E: i32 = 0;
export let rowD: usize = 0;
export let rowE: usize = 0;
export let scale: f32 = 0;
export let strideD: usize = 0;
export let strideE: usize = 0;
export let strideG: usize = 0;
/** Offsets of this head, in rows of [B, N, H]. */
export let queryHead: i32 = 0;
export let keyHead: i32 = 0;
let mask: i32 = 0;
let prefix: i32 = 0;

/** args 0..: q, k, v, B, N_q, N_k, H, D, D_v, mask, prefix, scale. Kernels have theirs from 12 on. */
export function enterSoftmaxHead(head: i32, args: usize): void {
  queries = int(args, 4);
  keys = int(args, 5);
  const heads = int(args, 6);
  width = int(args, 7);
  valueWidth = int(args, 8);
  D = (width + 7) & ~7;
  E = (valueWidth + 7) & ~7;
  rowD = <usize>D << 2;
  rowE = <usize>E << 2;
  mask = int(args, 9);
  prefix = int(args, 10);
  scale = num(args, 11);
  strideD = <usize>(heads * width) << 2;
  strideE = <usize>(heads * valueWidth) << 2;
  strideG = <usize>heads << 2;
  const batch = head / heads;
  queryHead = batch * queries * heads + (head % heads);
  keyHead = batch * keys * heads + (head % heads);
}

/** How many keys query i sees. */
// @ts-ignore: decorator
@inline export function visible(i: i32): i32 {
  if (mask == BIDIRECTIONAL) return keys;
  return mask == CAUSAL ? i + 1 : max(i + 1, prefix);
}

export function rowsOfQuery(x: usize, n: i32): usize {
  return at(x, queryHead * width) + <usize>n * strideD;
}

export function rowsOfKey(x: usize, n: i32): usize {
  return at(x, keyHead * width) + <usize>n * strideD;
}

export function rowsOfValue(x: usize, n: i32): usize {
  return at(x, keyHead * valueWidth) + <usize>n * strideE;
}

export function rowsOfOutput(x: usize, n: i32): usize {
  return at(x, queryHead * valueWidth) + <usize>n * strideE;
}

export function logSumAt(x: usize, n: i32): usize {
  return at(x, queryHead) + <usize>n * strideG;
}

export function given(args: usize, i: i32): usize {
  return ptr(args, i);
}

/** Padded length: whole tiles. */
export function padTiles(n: i32): i32 {
  return ((n + TILE - 1) / TILE) * TILE;
}
