import type { LinearAttentionAttributes, Maybe } from '@linattn/math';
import type { Buffer } from '../../buffer.ts';
import type { Program } from '../../program.ts';
import type { Scratch } from '../../scratch.ts';
import { denormalize, dots } from '../l2-normalize.ts';
import { joinRows } from '../movement.ts';
import { reduceSpan } from '../reduce.ts';
import { Call, type Operand, type Seen } from './call.ts';
import { type Mix, mix, scores } from './mix.ts';
import { type ArrayLimits, chunkStates, depthOf, headStates, type Piece, rows } from './plan.ts';
import {
  averages,
  coefficientGradients,
  coefficientRows,
  denominators,
  featureGradients,
  valueGradients,
} from './restore.ts';

export type Inputs = readonly Maybe<Operand>[];
export type Run = (
  scratch: Scratch,
  inputs: Inputs,
  attributes: LinearAttentionAttributes,
  limits: ArrayLimits,
) => Buffer[];

/** The buffers that a program names, in its order. */
const named = ({ inputs }: Program, buffers: Readonly<Record<string, Maybe<Buffer>>>): Buffer[] =>
  Object.keys(inputs).map((name) => buffers[name]!);

const plus = (size: number): Program => ({
  name: 'plus',
  inputs: { a: [size, 1, 1], b: [size, 1, 1] },
  output: [size, 1, 1],
  body: ({ x }) => `return a[${x}]+b[${x}];`,
});

/** left · state + scores · right for the rows of a piece; `transposed`: looks along the state's values, sees what comes after. */
function mixed(
  call: Call,
  piece: Piece,
  width: number,
  look: { readonly left: Buffer; readonly leftWidth: number; readonly seen: Maybe<Seen>; readonly transposed: boolean },
  inside?: { readonly scores: Buffer; readonly right: Buffer; readonly transposed: boolean },
): Buffer {
  const { sizes, scratch } = call;
  const { left, leftWidth, seen, transposed } = look;
  const kind: Mix = {
    state: seen && { transposed, perChunk: seen.perChunk },
    scores: inside && { transposed: inside.transposed },
  };
  const state = seen?.perChunk ? chunkStates(sizes, piece) : headStates(sizes);
  return scratch.run(mix(kind, rows(sizes, piece, leftWidth), state, width, piece.chunks), [
    ...(seen ? [left, seen.state] : []),
    ...(inside ? [inside.scores, inside.right] : []),
  ]);
}

/**
 * [g o, g] = T(weights·ψ(q), ψ(k), w) in chunks: what lies before a chunk as a state that its rows look at, the chunk itself as
 * masked scores. Where every query sees every key there is one state and no scores.
 */
export const forward: Run = (scratch, inputs, attributes, limits) => {
  const call = new Call(scratch, inputs, attributes, limits);
  const { sizes, phases } = call;
  const { features, values, chunk, batch } = sizes;
  let state = call.importState(inputs[4]);
  const o: Buffer[] = [];
  const g: Buffer[] = [];
  const accumulate = (piece: Piece) => {
    const run = call.running(piece, call.keys(piece), call.values(piece), state);
    state = run.next();
    call.forget(piece);
  };
  const take = (piece: Piece, both: Buffer) => {
    o.push(scratch.run(averages(sizes, piece), [both]));
    g.push(scratch.run(denominators(sizes, piece), [both]));
    scratch.free(both);
  };
  const lastPiece = phases.at(-1)!.rows.at(-1);
  for (const phase of phases) {
    if (!phase.causal) phase.keys.forEach(accumulate);
    for (const piece of phase.rows) {
      const left = call.queries(piece, true);
      const look = { left, leftWidth: features, transposed: false };
      if (!phase.causal) {
        take(piece, mixed(call, piece, values, { ...look, seen: { state: state!, perChunk: false } }));
      } else {
        const [k, w] = [call.keys(piece), call.values(piece)];
        const run = call.running(piece, k, w, state);
        const seen = run.seen();
        const own = scratch.run(scores(features, chunk, depthOf(sizes, piece)), [left, k]);
        take(piece, mixed(call, piece, values, { ...look, seen }, { scores: own, right: w, transposed: false }));
        if (seen?.perChunk) scratch.free(seen.state);
        scratch.free(own);
        if (piece !== lastPiece || attributes.returnState) state = run.next();
        else run.free();
      }
      call.forget(piece);
    }
  }
  const results = [joinRows(scratch.device, o, batch), joinRows(scratch.device, g, batch)];
  return attributes.returnState ? [...results, call.exportState(state!)] : results;
};

/**
 * The gradient: dψ(q) = T(e, w, ψ(k)) in the tokens' order, then dψ(k) and dw against it, with e = [dO, -o·dO] / g. States are
 * summed again, never kept.
 */
export const backward: Run = (scratch, inputs, attributes, limits) => {
  const call = new Call(scratch, inputs, attributes, limits);
  const { sizes, phases, q, k } = call;
  const { features, values, chunk, batch, valueDim } = sizes;
  const [o, g, dO] = inputs.slice(6, 9) as readonly Operand[];
  const delta = scratch.run(dots(o.buffer.size / valueDim, valueDim), [o.buffer, dO.buffer]);
  const upstream = (piece: Piece) => call.upstream(piece, [dO.buffer, delta, g.buffer]);
  const depth = (piece: Piece) => depthOf(sizes, piece);
  const [scaleQ, scaleK] = [call.scale(q), call.scale(k)];

  let state = call.importState(inputs[4]);
  let byFeature: Buffer | undefined;
  const dq: Buffer[] = [];
  const takeQuery = (piece: Piece, dPsi: Buffer) => {
    const partial = scratch.run(coefficientRows(sizes, piece), [dPsi, call.queries(piece, false)]);
    const sums = scratch.own(
      reduceSpan(scratch.device, 'sum', partial, { outer: 1, length: depth(piece), inner: features }),
    );
    byFeature = byFeature ? scratch.run(plus(features), [byFeature, sums]) : sums;
    const program = featureGradients(sizes, piece, true, scaleQ !== undefined);
    dq.push(scratch.run(program, named(program, { a: dPsi, c: call.coefficients.buffer, v: q.buffer, scale: scaleQ })));
    scratch.free(dPsi, partial);
  };
  /** e · w of each query and the keys before it, in its chunk. */
  const dScores = (piece: Piece) =>
    call.shared(piece, 'dScores', scores(values, chunk, depth(piece)), [upstream(piece), call.values(piece)]);
  for (const { rows: queries, keys, causal } of phases) {
    const accumulate = (piece: Piece) => {
      const run = call.running(piece, call.keys(piece), call.values(piece), state);
      state = run.next();
      call.forget(piece);
    };
    if (!causal) keys.forEach(accumulate);
    for (const piece of queries) {
      const look = { left: upstream(piece), leftWidth: values, transposed: true };
      if (!causal) {
        takeQuery(piece, mixed(call, piece, features, { ...look, seen: { state: state!, perChunk: false } }));
      } else {
        const psi = call.keys(piece);
        const run = call.running(piece, psi, call.values(piece), state);
        const seen = run.seen();
        const inside = { scores: dScores(piece), right: psi, transposed: false };
        takeQuery(piece, mixed(call, piece, features, { ...look, seen }, inside));
        if (seen?.perChunk) scratch.free(seen.state);
        if (piece !== queries.at(-1)) state = run.next();
        else run.free();
      }
      call.forget(piece);
    }
  }

  const firstPiece = phases[0].keys[0];
  let after = call.importState(inputs[9]);
  const dk = new Map<Piece, Buffer>();
  const dv = new Map<Piece, Buffer>();
  const takeKey = (piece: Piece, dPsi: Buffer, dw: Buffer) => {
    const program = featureGradients(sizes, piece, false, scaleK !== undefined);
    dk.set(piece, scratch.run(program, named(program, { a: dPsi, v: k.buffer, scale: scaleK })));
    const { keyWeights } = call;
    const m = keyWeights ? [keyWeights.buffer] : [];
    dv.set(piece, scratch.run(valueGradients(sizes, piece, keyWeights !== undefined), [dw, ...m]));
    scratch.free(dPsi, dw);
  };
  for (const { rows: queries, keys, causal } of phases.toReversed()) {
    if (!causal) {
      for (const piece of queries) {
        const run = call.running(piece, call.queries(piece, true), upstream(piece), after);
        after = run.next();
        call.forget(piece);
      }
    }
    for (const piece of keys.toReversed()) {
      const [psi, w] = [call.keys(piece), call.values(piece)];
      const along = { left: w, leftWidth: values, transposed: true };
      const across = { left: psi, leftWidth: features, transposed: false };
      if (!causal) {
        const seen = { state: after!, perChunk: false };
        takeKey(
          piece,
          mixed(call, piece, features, { ...along, seen }),
          mixed(call, piece, values, { ...across, seen }),
        );
      } else {
        const [weighted, e] = [call.queries(piece, true), upstream(piece)];
        const run = call.running(piece, weighted, e, after, true);
        const seen = run.seen();
        const own = scratch.run(scores(features, chunk, depth(piece)), [weighted, psi]);
        takeKey(
          piece,
          mixed(
            call,
            piece,
            features,
            { ...along, seen },
            { scores: dScores(piece), right: weighted, transposed: true },
          ),
          mixed(call, piece, values, { ...across, seen }, { scores: own, right: e, transposed: true }),
        );
        if (seen?.perChunk) scratch.free(seen.state);
        scratch.free(own);
        if (piece !== firstPiece || inputs[4]) after = run.next();
        else run.free();
      }
      call.forget(piece);
    }
  }

  const inOrder = (of: ReadonlyMap<Piece, Buffer>) =>
    joinRows(
      scratch.device,
      phases.flatMap(({ keys }) => keys.map((piece) => of.get(piece)!)),
      batch,
    );
  const whole = (x: Operand, dx: Buffer, scale: Maybe<Buffer>) =>
    scale ? denormalize(scratch, x.buffer, scratch.own(dx), scale, x.buffer.size / sizes.headDim, call.radius) : dx;
  return [
    whole(q, joinRows(scratch.device, dq, batch), scaleQ),
    whole(k, inOrder(dk), scaleK),
    inOrder(dv),
    scratch.run(coefficientGradients(sizes), [byFeature!]),
    ...(inputs[4] ? [call.exportState(after!)] : []),
  ];
};
