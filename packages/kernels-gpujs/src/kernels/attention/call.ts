import type { LinearAttentionAttributes, Maybe, Shape } from '@linattn/math';
import type { Buffer } from '../../buffer.ts';
import type { Program } from '../../program.ts';
import type { Scratch } from '../../scratch.ts';
import { lengthScales } from '../l2-normalize.ts';
import { product } from '../matmul.ts';
import { type ArrayLimits, depthOf, type Piece, piecesOf, type Sizes, sizesOf } from './plan.ts';
import { features, upstreamRows, weightedValues } from './prepare.ts';
import { exclusiveSums, exportState, groupOf, groupSums, importState, totals } from './states.ts';

/** A tensor's numbers and shape, without its life. */
export interface Operand {
  readonly buffer: Buffer;
  readonly shape: Shape;
}

/** Pieces whose queries see all keys of the phase, or, causally, each its own piece up to itself; and all before the phase. */
export interface Phase {
  readonly rows: readonly Piece[];
  readonly keys: readonly Piece[];
  readonly causal: boolean;
}

/** A state that rows look at: one a chunk or one a head. */
export interface Seen {
  readonly state: Buffer;
  readonly perChunk: boolean;
}

/** One call of attention, forward or backward: its sizes, its phases, and the rows that its kernels share. */
export class Call {
  readonly scratch: Scratch;
  readonly sizes: Sizes;
  readonly phases: readonly Phase[];
  readonly q: Operand;
  readonly k: Operand;
  readonly v: Operand;
  readonly coefficients: Operand;
  readonly keyWeights: Maybe<Operand>;
  readonly radius: number;
  /** Rows by piece and kind, until the piece is forgotten. */
  readonly #rows = new Map<Piece, Map<string, Buffer>>();
  readonly #scales = new Map<Operand, Buffer>();
  readonly #pieces: number;

  constructor(
    scratch: Scratch,
    inputs: readonly Maybe<Operand>[],
    attributes: LinearAttentionAttributes,
    limits: ArrayLimits,
  ) {
    const [q, k, v, coefficients] = inputs as readonly Operand[];
    this.scratch = scratch;
    [this.q, this.k, this.v, this.coefficients, this.keyWeights] = [q, k, v, coefficients, inputs[5]];
    this.radius = attributes.radius;
    this.sizes = callSizes(q, k, v, attributes);
    this.phases = phasesOf(this.sizes, limits, attributes, q.shape[1], k.shape[1]);
    this.#pieces = new Set(this.phases.flatMap(({ rows, keys }) => [...rows, ...keys])).size;
  }

  /** ψ(q), times (a, b, c) where `weighted`. */
  queries(piece: Piece, weighted: boolean): Buffer {
    return this.#row(piece, weighted ? 'weighted queries' : 'queries', () => this.#features(this.q, piece, weighted));
  }

  /** ψ(k) */
  keys(piece: Piece): Buffer {
    return this.#row(piece, 'keys', () => this.#features(this.k, piece, false));
  }

  /** w = m [v, 1] */
  values(piece: Piece): Buffer {
    const { v, keyWeights } = this;
    return this.#row(piece, 'values', () =>
      this.scratch.run(weightedValues(this.sizes, piece, keyWeights !== undefined), [
        v.buffer,
        ...(keyWeights ? [keyWeights.buffer] : []),
      ]),
    );
  }

  /** e = [dO, -o·dO] / g, from dO, δ = o·dO and g. */
  upstream(piece: Piece, from: readonly [dO: Buffer, delta: Buffer, g: Buffer]): Buffer {
    return this.#row(piece, 'upstream', () => this.scratch.run(upstreamRows(this.sizes, piece), from));
  }

  /** Any other rows that two passes share. */
  shared(piece: Piece, name: string, program: Program, inputs: readonly Buffer[]): Buffer {
    return this.#row(piece, name, () => this.scratch.run(program, inputs));
  }

  /** r / |x| of each vector of q or k; undefined where they are used as they are. */
  scale(x: Operand): Buffer | undefined {
    if (this.radius === 0) return undefined;
    const known = this.#scales.get(x);
    if (known) return known;
    const width = x.shape[3];
    const scale = this.scratch.run(lengthScales(x.buffer.size / width, width, this.radius), [x.buffer]);
    this.#scales.set(x, scale);
    return scale;
  }

  /** Frees a piece's rows, unless so few pieces exist that a later pass had better find them. */
  forget(piece: Piece): void {
    if (this.#pieces <= 2) return;
    this.scratch.free(...(this.#rows.get(piece)?.values() ?? []));
    this.#rows.delete(piece);
  }

  /** Σ yᵀ z over a piece's chunks on top of `before`: what each chunk sees, and what comes after them all. */
  running(piece: Piece, y: Buffer, z: Buffer, before: Maybe<Buffer>, reverse = false) {
    const { sizes, scratch } = this;
    const { features: rows, values: columns, chunk: inner } = sizes;
    const batch = depthOf(sizes, piece);
    let sums: { readonly own: Buffer; readonly groups: Buffer } | undefined;
    const start = before ? [before] : [];
    const summed = () => {
      if (sums) return sums;
      const own = scratch.run(product({ transposeA: true, transposeB: false, rows, columns, inner, batch }), [y, z]);
      // Groups of one chunk are the chunks.
      const groups = groupOf(piece.chunks) === 1 ? own : scratch.run(groupSums(sizes, piece), [own]);
      sums = { own, groups };
      return sums;
    };
    return {
      seen: (): Seen | undefined => {
        if (piece.chunks === 1) return before && { state: before, perChunk: false };
        const { own, groups } = summed();
        const program = exclusiveSums(sizes, piece, reverse, before !== undefined);
        return { state: scratch.run(program, [own, groups, ...start]), perChunk: true };
      },
      /** The state after the piece. Frees all that led to it, `before` too. */
      next: (): Buffer => {
        const { own, groups } = summed();
        if (piece.chunks === 1 && !before) return own;
        const after = scratch.run(totals(sizes, piece, before !== undefined), [groups, ...start]);
        scratch.free(own, groups, before);
        return after;
      },
      free: () => scratch.free(sums?.own, sums?.groups),
    };
  }

  importState(state: Maybe<Operand>): Buffer | undefined {
    return state && this.scratch.run(importState(this.sizes), [state.buffer]);
  }

  exportState(state: Buffer): Buffer {
    return this.scratch.run(exportState(this.sizes), [state]);
  }

  #features(x: Operand, piece: Piece, weighted: boolean): Buffer {
    const scale = this.scale(x);
    return this.scratch.run(features(this.sizes, piece, weighted, scale !== undefined), [
      x.buffer,
      ...(weighted ? [this.coefficients.buffer] : []),
      ...(scale ? [scale] : []),
    ]);
  }

  #row(piece: Piece, name: string, make: () => Buffer): Buffer {
    let rows = this.#rows.get(piece);
    if (!rows) this.#rows.set(piece, (rows = new Map()));
    let row = rows.get(name);
    if (!row) rows.set(name, (row = make()));
    return row;
  }
}

export const callSizes = (q: Operand, k: Operand, v: Operand, { order }: LinearAttentionAttributes): Sizes => {
  const [batch, queries, heads, headDim] = q.shape;
  return sizesOf(batch, heads, headDim, v.shape[3], order, Math.max(queries, k.shape[1]));
};

function phasesOf(
  sizes: Sizes,
  limits: ArrayLimits,
  { mask, prefix }: LinearAttentionAttributes,
  queries: number,
  keys: number,
): Phase[] {
  if (mask === 'bidirectional') {
    return [
      {
        rows: piecesOf(sizes, limits, queries, 0, queries),
        keys: piecesOf(sizes, limits, keys, 0, keys),
        causal: false,
      },
    ];
  }
  const start = mask === 'prefix' ? prefix : 0;
  const [first, rest] = [piecesOf(sizes, limits, queries, 0, start), piecesOf(sizes, limits, queries, start, queries)];
  return [
    ...(first.length > 0 ? [{ rows: first, keys: first, causal: false }] : []),
    ...(rest.length > 0 ? [{ rows: rest, keys: rest, causal: true }] : []),
  ];
}
