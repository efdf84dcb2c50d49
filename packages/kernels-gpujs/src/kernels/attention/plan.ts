import type { Extents, Thread } from '../../program.ts';
import { quotient } from '../../strides.ts';

/** What all kernels of one call of attention share. */
export interface Sizes {
  readonly batch: number;
  readonly heads: number;
  /** D and D_v. */
  readonly headDim: number;
  readonly valueDim: number;
  readonly order: 1 | 2;
  /** Columns that hold ψ(x) = [x, 1, (x⊗x)] and w = m [v, 1], rounded up to fours: what is beyond is zero. */
  readonly features: number;
  readonly values: number;
  /** Tokens of a chunk. */
  readonly chunk: number;
}

/** A run of tokens, worked on at once: [Z][chunk] rows, Z = batch · heads · chunks; rows beyond `count` are zero. */
export interface Piece {
  /** Tokens of the whole tensor, and which of them. */
  readonly length: number;
  readonly start: number;
  readonly count: number;
  readonly chunks: number;
}

const four = (n: number): number => 4 * Math.ceil(n / 4);

/** Elements of intermediate arrays. */
export interface ArrayLimits {
  /** gpu.js's own limit: it indexes by float32. Heads are worked on in parts where one chunk of all needs more. */
  readonly largest: number;
  /** What pieces of tokens are cut to, by order: much less for order 2, whose states are D times as large. */
  readonly piece: Readonly<Record<1 | 2, number>>;
}

export const arrayLimits: ArrayLimits = { largest: 2 ** 24, piece: { 1: 2 ** 24, 2: 2 ** 22 } };

export function sizesOf(
  batch: number,
  heads: number,
  headDim: number,
  valueDim: number,
  order: 1 | 2,
  tokens: number,
): Sizes {
  // A chunk near D keeps chunk states O(N D): [D, D_v] every D tokens.
  const best = order === 1 ? Math.min(128, Math.max(32, four(Math.max(headDim, valueDim)))) : 32;
  return {
    batch,
    heads,
    headDim,
    valueDim,
    order,
    features: four(headDim + 1 + (order === 2 ? headDim * headDim : 0)),
    values: four(valueDim + 1),
    chunk: Math.min(best, four(tokens)),
  };
}

/** Elements of the largest array that one chunk of every head needs. */
export const chunkElements = ({ batch, heads, features, values, chunk }: Sizes): number =>
  batch * heads * Math.max(features * values, chunk * chunk, chunk * features, chunk * values);

/** Cuts tokens [start, end) into as few pieces as memory allows. */
export function piecesOf(sizes: Sizes, { piece }: ArrayLimits, length: number, start: number, end: number): Piece[] {
  const chunks = Math.max(1, Math.floor(piece[sizes.order] / chunkElements(sizes)));
  const pieces: Piece[] = [];
  for (let at = start; at < end; at += chunks * sizes.chunk) {
    const count = Math.min(chunks * sizes.chunk, end - at);
    pieces.push({ length, start: at, count, chunks: Math.ceil(count / sizes.chunk) });
  }
  return pieces;
}

const headsOf = ({ batch, heads }: Sizes): number => batch * heads;

/** Z: chunks of all heads. */
export const depthOf = (sizes: Sizes, { chunks }: Piece): number => headsOf(sizes) * chunks;

/** [Z][chunk][width] */
export const rows = (sizes: Sizes, piece: Piece, width: number): Extents => [width, sizes.chunk, depthOf(sizes, piece)];

/** Chunk states [Z][features][values], and one state a head. */
export const chunkStates = (sizes: Sizes, piece: Piece): Extents => [
  sizes.values,
  sizes.features,
  depthOf(sizes, piece),
];
export const headStates = (sizes: Sizes): Extents => [sizes.values, sizes.features, headsOf(sizes)];

/** A state as @linattn/math has it: [B, H, F, D_v + 1], rows [1, k, k⊗k]. */
export const outerStates = ({ batch, heads, headDim, valueDim, order }: Sizes): Extents => [
  valueDim + 1,
  1 + headDim + (order === 2 ? headDim * headDim : 0),
  batch * heads,
];

/** A tensor [B, N, H, width]: [token][head][feature]. */
export const tokenExtents = ({ batch, heads }: Sizes, { length }: Piece, width: number): Extents => [
  width,
  heads,
  batch * length,
];

/**
 * Statements that turn a thread's row `y` of chunk `z` into `head`, `at` (the token's row in [B · N]) and `inside`, 1 where the
 * token exists (the indexes are those of a token that does, everywhere).
 */
export function tokenOf(sizes: Sizes, { length, start, count, chunks }: Piece, { y, z, integer }: Thread): string {
  const { heads, chunk } = sizes;
  return `
    ${integer('bh', quotient(z, chunks))}
    ${integer('batch', quotient('bh', heads))}
    ${integer('head', `bh-batch*${heads}`)}
    ${integer('token', `(${z}-bh*${chunks})*${chunk}+${y}`)}
    let inside=1.0; if (token>=${count}) { inside=0.0; token=0; }
    ${integer('at', `batch*${length}+${start}+token`)}`;
}
