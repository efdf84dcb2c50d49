import type { Kernel, LinearAttentionBackwardAttributes } from '@linattn/math';
import { reduce } from '../core/reduce.ts';
import { bufferOf, type Gpu, gridOf, type Operand } from '../runtime/gpu.ts';
import type { Buffer } from '../runtime/pool.ts';
import { bits } from '../runtime/recorder.ts';
import { fourOf, storeOf, units } from '../runtime/rows.ts';
import { chain, describe, partsOf, phases, planeRoom, planesOf, reversed } from './call.ts';
import coefficientsSource from './coefficients.wgsl?raw';
import { a, Factors, one, plane, rowLanes, times, zero } from './factors.ts';
import finishSource from './finish.wgsl?raw';
import { chunkGroups, chunks, columnsOf, partsAtOnce, slabs, statesOf, tuning } from './run.ts';
import { narrowAll, partOf, windowsOf } from './windows.ts';

/** d(a, b, c), gathered from partial sums of pairs. */
class CoefficientSums {
  readonly #gpu: Gpu;
  readonly buffer: Buffer;
  #fresh = true;

  constructor(gpu: Gpu) {
    this.#gpu = gpu;
    this.buffer = gpu.take('d(a, b, c)', 3);
  }

  /** Adds Σ partial [count, 2] at two places of three; 3 is nowhere. Takes `partial` over. */
  add(partial: Buffer, count: number, first: number, second: number): void {
    const sums = reduce(this.#gpu, partial, [count, 2], [0], 'sum');
    const program = { name: 'coefficients', source: coefficientsSource, constants: {} };
    this.#gpu.run(program, [this.buffer, sums], [first, second, Number(this.#fresh)], [1]);
    this.#fresh = false;
    this.#gpu.give(partial, sums);
  }
}

/** finish.wgsl: adds the parts of a gradient and takes it through the normalisation; in place in `first`. */
function finish(
  gpu: Gpu,
  factors: Factors,
  { first, second, x }: { readonly first: Buffer; readonly second?: Buffer; readonly x: Buffer },
  {
    rows,
    width,
    plane,
    radius,
  }: { readonly rows: number; readonly width: number; readonly plane: number; readonly radius: number },
  weights: readonly [number, number],
  sums?: CoefficientSums,
): void {
  const { vector, lanes } = rowLanes(gpu, width);
  const grid = gridOf(rows, 256 / lanes);
  const count = grid[0] * (grid[1] ?? 1);
  const partial = sums && gpu.take('linearAttention sums', 2 * count);
  gpu.run(
    {
      name: `finish${Number(vector)}`,
      source: finishSource,
      constants: { ORDER: second ? 2 : 1, SUMS: Number(sums !== undefined), LANES: lanes },
      declarations: [
        units(vector),
        ...['first', 'second', 'x'].map((name) => fourOf(name, vector)),
        storeOf('first', vector),
      ].join(''),
    },
    [first, second ?? gpu.nothing, x, factors.buffer, partial ?? gpu.scrap],
    [rows, width, plane, ...weights, bits(radius > 0 ? 1 / (radius * radius) : 0)],
    grid,
  );
  if (sums && partial) sums.add(partial, count, 1, 2);
}

interface Outputs {
  readonly dq: Buffer;
  readonly dk: Buffer;
  readonly dv: Buffer;
  readonly dS0: Buffer | undefined;
}

/**
 * The analytic backward of math.md. With e = [Ohat, -δ] and w = m [v, 1]:
 * dq = b T(e, w, k, forward), dk = m T([v, 1], e, b q, reverse), dv = m T([k, 1], [b q, a], Ohat, reverse); da and db are sums over
 * the first, left out where nobody reads them. S is made again from k and v: nothing but q, k, v, o, g was kept.
 */
export const linearAttentionBackward =
  (gpu: Gpu): Kernel<LinearAttentionBackwardAttributes> =>
  (inputs, attributes) => {
    const [q, k, v, , state] = inputs;
    const [dq, dk, dv] = [q, k, v].map((input, i) => gpu.take(['dq', 'dk', 'dv'][i], input!.size, { inViews: true }));
    const dS0 = state && gpu.take('dS0', state.size, { inViews: true });
    const sums = new CoefficientSums(gpu);
    for (const window of windowsOf(gpu, 'linearAttentionBackward', inputs, q!.shape[0], [])) {
      pullBack(gpu, narrowAll(inputs, window), attributes, sums, {
        dq: partOf(dq, q!.size, window),
        dk: partOf(dk, k!.size, window),
        dv: partOf(dv, v!.size, window),
        dS0: dS0 && partOf(dS0, state.size, window),
      });
    }
    return [dq, dk, dv, sums.buffer, ...(dS0 ? [dS0] : [])];
  };

function pullBack(
  gpu: Gpu,
  [q, k, v, coefficients, state, keyWeights, o, g, dO, dState]: readonly (Operand | undefined)[],
  attributes: LinearAttentionBackwardAttributes,
  sums: CoefficientSums,
  { dq, dk, dv, dS0 }: Outputs,
): void {
  const { order, radius, coefficientGradients } = attributes;
  const call = describe(q!, k!, v!, order);
  const { sizes, queries, keys } = call;
  const { width, valueWidth } = sizes;
  const [bq, bk, bv, bdO] = [q, k, v, dO].map(bufferOf);
  const groups = slabs(gpu, sizes, phases(attributes, call), 2 * tuning.slabBytes);
  const most = order === 1 ? 1 : partsAtOnce(gpu, sizes, groups, 4 * (queries + keys), 2 * tuning.slabBytes);
  const mixed = order === 1 ? keys : 2 * most * (queries + keys);
  const factors = new Factors(gpu, bufferOf(coefficients), planeRoom(call, attributes, most) + 2 * queries + mixed);
  const planes = planesOf(factors, call, attributes, [bq, bk], keyWeights, most);
  const [inverse, delta] = factors.deltas(bufferOf(o), bdO, bufferOf(g), queries, valueWidth);
  const weights = plane(planes.weights);
  /** A plane times each of `count` others, or what there is of the two. */
  const rooms = [queries, queries, keys, keys].map((rows, i) =>
    order === 2 || i === 2 ? factors.make(most * rows) : 0,
  );
  const mix = (to: number, rows: number, count: number, single: number, others: number) => {
    if (others === 0) return plane(single);
    const both = [
      { at: single, step: 0 },
      { at: others, step: rows },
    ];
    return plane(single === 0 ? others : factors.combine({ to, rows, count }, both), rows);
  };

  const [dq2, dk2] = order === 2 ? [gpu.take('dq', queries * width), gpu.take('dk', keys * width)] : [];
  // Without normalisation and second order, chunk.wgsl leaves dq as it should be, and sums db.
  const finished = order === 1 && radius === 0;
  // With normalisation it takes dk, and dq where db is not wanted, back through it, if one workgroup has all of a row.
  const turns = order === 1 && radius > 0 && width <= columnsOf(gpu, sizes, width);
  const turnsQ = turns && !coefficientGradients;
  const turn = (aux: Buffer, lengths: number) => ({ extra: 'turn', aux, turn: { lengths, radius } }) as const;

  for (const part of partsOf(call, most)) {
    const { feature, count: features, firstRow } = part;
    const scales = planes.part(part);
    const first = feature < 0;
    const accumulate = feature > 0;
    const coefficient = first ? 'b' : 'c';

    // Queries, front to back. What dq_m is times q_m comes to the rows of e instead: so parts can be added up as they are.
    const keysSide = { y: { buffer: bk, factor: plane(scales.k, keys) }, z: { buffer: bv, factor: weights } };
    const forQueries = {
      x: { buffer: bdO, factor: mix(rooms[0], queries, features, inverse, scales.hatQ) },
      alpha: mix(rooms[1], queries, features, delta, scales.hatQ),
      y: { buffer: bv, factor: one },
      beta: one,
      z: { buffer: bk, factor: mix(rooms[2], keys, features, planes.weights, scales.k) },
      omega: weights,
      o: finished || turnsQ ? times('b', 0) : one,
    };
    const count = groups.flat().reduce((sum, range) => sum + chunkGroups(gpu, sizes, range, width), 0);
    const partial = first && coefficientGradients ? gpu.take('linearAttention sums', 2 * count) : undefined;
    let at = 0;
    const stateOperands = { ...keysSide, beta: first ? one : zero, omega: weights };
    for (const ranges of groups) {
      chain(gpu, ranges, call, firstRow, { initial: state && bufferOf(state) }, (range, rows) => {
        const segments = statesOf(gpu, factors.buffer, sizes, range, stateOperands, rows, features);
        const summed = partial && ({ extra: 'sum', sums: { partial, at }, aux: bq } as const);
        const rest = turnsQ ? turn(bq, planes.lengthQ) : ({ extra: 'none' } as const);
        const target = { out: first ? dq : dq2!, accumulate, ...(summed ?? rest) };
        chunks(gpu, factors.buffer, sizes, range, forQueries, segments, true, target, features);
        at += chunkGroups(gpu, sizes, range, width);
        gpu.give(segments.slots);
      });
    }
    if (partial) sums.add(partial, count, 0, finished ? 1 : 3);

    // Keys and values, back to front.
    const scaledQ = { buffer: bq, factor: times(coefficient, scales.q, queries) };
    const ohat = { buffer: bdO, factor: plane(inverse) };
    const forValues = {
      x: { buffer: bk, factor: plane(scales.k, keys) },
      alpha: one,
      y: scaledQ,
      beta: first ? a : zero,
      z: ohat,
      omega: plane(delta),
      o: weights,
    };
    const ofKeys = first ? one : mix(rooms[3], keys, features, planes.weights, scales.hatK);
    const forKeys = {
      x: { buffer: bv, factor: ofKeys },
      alpha: ofKeys,
      y: ohat,
      beta: plane(delta),
      z: scaledQ,
      omega: one,
      o: first ? weights : one,
    };
    const ends = { initial: dState && bufferOf(dState), final: dS0 };
    const intoV = { out: dv, accumulate: !first, extra: 'none' } as const;
    const rest = turns ? turn(bk, planes.lengthK) : ({ extra: 'none' } as const);
    const intoK = { out: first ? dk : dk2!, accumulate, ...rest };
    for (const ranges of groups) {
      chain(gpu, reversed(ranges), call, firstRow, ends, (range, rows) => {
        const segments = statesOf(gpu, factors.buffer, sizes, range, forValues, rows, features);
        chunks(gpu, factors.buffer, sizes, range, forValues, segments, false, intoV, features);
        chunks(gpu, factors.buffer, sizes, range, forKeys, segments, true, intoK, features);
        gpu.give(segments.slots);
      });
    }
  }

  if (!finished && !turnsQ) {
    const ofQ = { rows: queries, width, plane: planes.lengthQ, radius };
    finish(gpu, factors, { first: dq, second: dq2, x: bq }, ofQ, [2, 3], coefficientGradients ? sums : undefined);
  }
  if (!finished && !turns) {
    const ofK = { rows: keys, width, plane: planes.lengthK, radius };
    finish(gpu, factors, { first: dk, second: dk2, x: bk }, ofK, [0, 0]);
  }
  gpu.give(dq2, dk2);
  factors.free();
}
