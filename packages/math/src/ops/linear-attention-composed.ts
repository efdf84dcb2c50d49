import type { Maybe } from '../op.ts';
import { scope } from '../scope.ts';
import type { Tensor } from '../tensor.ts';
import { neg } from './affine.ts';
import type { LinearAttentionAttributes } from './attributes.ts';
import { add, div, mul } from './binary.ts';
import { fill } from './fill.ts';
import { l2Normalize, l2NormalizeBackward } from './l2-normalize.ts';
import { matmul } from './matmul.ts';
import { concat, pad, reshape, slice, transpose } from './movement.ts';
import { broadcastTo, sum } from './reduce.ts';
import { tripleProduct } from './triple-product.ts';

// With features ψ(x) = [1, x, x⊗x], weights (a, b, c) on the query's side and w = [v, 1], attention is one triple product:
//   [g o, g] = T(weights·ψ(q), ψ(k), w)
// Order 2 goes piece by piece over the tokens, carrying the state, so that no N·D² features ever exist at once: each piece
// runs in a scope of its own, and a state is given back as soon as the next one is there.

/** A run of tokens whose queries see all its keys, or each key up to their own; both see the state before it. */
interface Phase {
  readonly rows: readonly [number, number];
  readonly keys: readonly [number, number];
  readonly causal: boolean;
}

const pieceLength = 128;

function cut([start, end]: readonly [number, number], length: number): [number, number][] {
  const pieces: [number, number][] = [];
  for (let at = start; at < end; at += length) pieces.push([at, Math.min(end, at + length)]);
  return pieces;
}

function phasesOf({ mask, prefix, order }: LinearAttentionAttributes, queries: number, keys: number): Phase[] {
  if (mask === 'bidirectional') return [{ rows: [0, queries], keys: [0, keys], causal: false }];
  const start = mask === 'prefix' ? prefix : 0;
  const causal = cut([start, queries], order === 1 ? queries : pieceLength);
  return [
    ...(start > 0 ? [{ rows: [0, start], keys: [0, start], causal: false } as const] : []),
    ...causal.map((run) => ({ rows: run, keys: run, causal: true })),
  ];
}

/** ψ(x) [B, N, H, F] of x [B, N, H, D]. */
function features(x: Tensor, order: 1 | 2): Tensor {
  const parts = [fill(x.backend, [...x.shape.slice(0, 3), 1], 1), x];
  if (order === 2) {
    const [batch, tokens, heads, width] = x.shape;
    const outer = mul(reshape(x, [...x.shape, 1]), reshape(x, [batch, tokens, heads, 1, width]));
    parts.push(reshape(outer, [batch, tokens, heads, width * width]));
  }
  return concat(parts, 3);
}

/** dx of ψ(x) from dψ: the linear part, plus (G + Gᵀ) x of the second-order part. */
function featuresBackward(x: Tensor, dFeatures: Tensor, order: 1 | 2): Tensor {
  const width = x.shape[3];
  const linear = slice(dFeatures, 3, 1, 1 + width);
  if (order === 1) return linear;
  const square = reshape(slice(dFeatures, 3, 1 + width, dFeatures.shape[3]), [-1, width, width]);
  const column = reshape(x, [-1, width, 1]);
  const both = add(matmul(square, column), matmul(square, column, true));
  return add(linear, reshape(both, x.shape));
}

/** (a, b, c) spread over the features: [a, b × D, c × D²]. */
function featureWeights(coefficients: Tensor, width: number, order: 1 | 2): Tensor {
  const spread = (i: number, times: number) => broadcastTo(slice(coefficients, 0, i, i + 1), [times]);
  return concat([spread(0, 1), spread(1, width), ...(order === 2 ? [spread(2, width * width)] : [])], 0);
}

const tokens = (x: Tensor, [start, end]: readonly [number, number]): Tensor => slice(x, 1, start, end);
/** w = m [v, 1] */
function weighted(v: Tensor, keyWeights: Maybe<Tensor>): Tensor {
  const w = concat([v, fill(v.backend, [...v.shape.slice(0, 3), 1], 1)], 3);
  return keyWeights ? mul(w, reshape(keyWeights, [...keyWeights.shape, 1])) : w;
}
const headsFirst = (x: Tensor): Tensor => transpose(x, [0, 2, 1, 3]);
const normalized = (x: Tensor, radius: number): Tensor => (radius > 0 ? l2Normalize(x, radius) : x);

/** Σ y zᵀ over `run`, piece by piece when features are large, added to `state`. */
function accumulate(
  state: Maybe<Tensor>,
  run: readonly [number, number],
  order: 1 | 2,
  y: (piece: readonly [number, number]) => Tensor,
  z: (piece: readonly [number, number]) => Tensor,
): Tensor {
  let total = state;
  for (const piece of cut(run, order === 1 ? run[1] - run[0] : pieceLength)) {
    const next = scope(() => {
      const product = matmul(headsFirst(y(piece)), headsFirst(z(piece)), true);
      return total ? add(total, product) : product;
    });
    if (total !== state) total?.dispose();
    total = next;
  }
  return total!;
}

/** A value that is replaced from piece to piece; what it held is disposed, unless it was given from outside. */
class Running {
  readonly #given: Maybe<Tensor>;
  value: Maybe<Tensor>;

  constructor(given: Maybe<Tensor>) {
    this.#given = given;
    this.value = given;
  }

  replace(next: Tensor): void {
    if (this.value !== this.#given) this.value?.dispose();
    this.value = next;
  }

  add(share: Tensor): void {
    if (!this.value) this.value = share;
    else {
      this.replace(add(this.value, share));
      share.dispose();
    }
  }
}

/** state · x for every token of `run`. */
const look = (x: Tensor, state: Tensor): Tensor => headsFirst(matmul(headsFirst(x), state));

export function composeLinearAttention(
  inputs: readonly Maybe<Tensor>[],
  attributes: LinearAttentionAttributes,
): Tensor[] {
  const [q, k, v, coefficients] = inputs as Tensor[];
  const [, , , , initial, keyWeights] = inputs;
  const { order, radius } = attributes;
  const weights = featureWeights(coefficients, q.shape[3], order);
  const [qn, kn, w] = [normalized(q, radius), normalized(k, radius), weighted(v, keyWeights)];
  const psiQ = (run: readonly [number, number]) => mul(features(tokens(qn, run), order), weights);
  const psiK = (run: readonly [number, number]) => features(tokens(kn, run), order);
  const state = new Running(initial);
  const parts: Tensor[] = [];
  for (const { rows, keys, causal } of phasesOf(attributes, q.shape[1], k.shape[1])) {
    if (causal) {
      const options = { initialState: state.value, returnState: true };
      const run = scope(() => tripleProduct(psiQ(rows), psiK(keys), tokens(w, keys), options));
      parts.push(run.output);
      state.replace(run.state!);
    } else {
      state.replace(accumulate(state.value, keys, order, psiK, (run) => tokens(w, run)));
      for (const piece of cut(rows, order === 1 ? rows[1] : pieceLength)) {
        parts.push(scope(() => look(psiQ(piece), state.value!)));
      }
    }
  }
  const both = concat(parts, 1);
  const width = v.shape[3];
  const g = slice(both, 3, width, width + 1);
  const o = div(slice(both, 3, 0, width), g);
  return [o, reshape(g, g.shape.slice(0, 3)), ...(attributes.returnState ? [state.value!] : [])];
}

export function composeLinearAttentionBackward(
  inputs: readonly Maybe<Tensor>[],
  attributes: LinearAttentionAttributes,
): Tensor[] {
  const [q, k, v, coefficients, , , o, g, dO] = inputs as Tensor[];
  const [initial, keyWeights, dState] = [inputs[4], inputs[5], inputs[9]];
  const { order, radius } = attributes;
  const width = q.shape[3];
  const weights = featureWeights(coefficients, width, order);
  const [qn, kn, w] = [normalized(q, radius), normalized(k, radius), weighted(v, keyWeights)];
  // e_i = [dO_i / g_i, -o_i · dO_i / g_i]
  const scaled = div(dO, reshape(g, [...g.shape, 1]));
  const e = concat([scaled, neg(sum(mul(o, scaled), [3], true))], 3);
  const psiQ = (run: readonly [number, number]) => features(tokens(qn, run), order);
  const weightedQ = (run: readonly [number, number]) => mul(psiQ(run), weights);
  const psiK = (run: readonly [number, number]) => features(tokens(kn, run), order);
  const flip = (t?: Tensor) => t && transpose(t, [0, 1, 3, 2]);
  const phases = phasesOf(attributes, q.shape[1], k.shape[1]);

  // Queries, in order, under the running state.
  const state = new Running(initial);
  const dWeights = new Running(undefined);
  const dq: Tensor[] = [];
  const takeQuery = (run: readonly [number, number], gradient: () => Tensor) => {
    const [share, dx] = scope(() => {
      const dPsi = gradient();
      return [sum(mul(dPsi, psiQ(run)), [0, 1, 2]), featuresBackward(tokens(qn, run), mul(dPsi, weights), order)];
    });
    dWeights.add(share);
    dq.push(dx);
  };
  for (const { rows, keys, causal } of phases) {
    const advance = () => state.replace(accumulate(state.value, keys, order, psiK, (run) => tokens(w, run)));
    if (causal) {
      const before = () => ({ initialState: flip(state.value) });
      takeQuery(rows, () => tripleProduct(tokens(e, rows), tokens(w, keys), psiK(keys), before()).output);
      advance();
    } else {
      advance();
      for (const piece of cut(rows, order === 1 ? rows[1] : pieceLength)) {
        takeQuery(piece, () => look(tokens(e, piece), flip(state.value)!));
      }
    }
  }

  // Keys and values, backwards, under R = Σ weightedψ(q) eᵀ of the queries that see them.
  const seen = new Running(dState);
  const dk: Tensor[] = [];
  const dv: Tensor[] = [];
  const takeKey = (run: readonly [number, number], gradients: () => { dPsi: Tensor; dw: Tensor }) => {
    const [dx, dValue] = scope(() => {
      const { dPsi, dw } = gradients();
      const part = slice(dw, 3, 0, v.shape[3]);
      return [
        featuresBackward(tokens(kn, run), dPsi, order),
        keyWeights ? mul(part, reshape(tokens(keyWeights, run), [...part.shape.slice(0, 3), 1])) : part,
      ];
    });
    dk.unshift(dx);
    dv.unshift(dValue);
  };
  for (const { rows, keys, causal } of phases.reverse()) {
    const advance = () => seen.replace(accumulate(seen.value, rows, order, weightedQ, (run) => tokens(e, run)));
    if (causal) {
      const direction = 'reverse';
      takeKey(keys, () => ({
        dPsi: tripleProduct(tokens(w, keys), tokens(e, rows), weightedQ(rows), {
          direction,
          initialState: flip(seen.value),
        }).output,
        dw: tripleProduct(psiK(keys), weightedQ(rows), tokens(e, rows), { direction, initialState: seen.value }).output,
      }));
      advance();
    } else {
      advance();
      for (const piece of cut(keys, order === 1 ? keys[1] : pieceLength).reverse()) {
        takeKey(piece, () => ({
          dPsi: look(tokens(w, piece), flip(seen.value)!),
          dw: look(psiK(piece), seen.value!),
        }));
      }
    }
  }

  const denormalized = (x: Tensor, dx: Tensor) => (radius > 0 ? l2NormalizeBackward(x, dx, radius) : dx);
  const group = (start: number, end: number) => reshape(sum(slice(dWeights.value!, 0, start, end)), [1]);
  const dCoefficients = concat(
    [group(0, 1), group(1, 1 + width), ...(order === 2 ? [group(1 + width, weights.size)] : [])],
    0,
  );
  return [
    denormalized(q, concat(dq, 1)),
    denormalized(k, concat(dk, 1)),
    concat(dv, 1),
    pad(dCoefficients, 0, 0, order === 2 ? 0 : 1),
    ...(initial ? [seen.value!] : []),
  ];
}
