import type { Kernel, LinearAttentionAttributes } from '@linattn/math';
import { bufferOf, type Gpu, gridOf, type Operand } from '../runtime/gpu.ts';
import type { Buffer } from '../runtime/pool.ts';
import { chain, describe, partsOf, phases, planeRoom, planesOf } from './call.ts';
import divideSource from './divide-rows.wgsl?raw';
import { a, Factors, one, plane, times, zero } from './factors.ts';
import { chunks, partsAtOnce, slabs, statesOf, tuning } from './run.ts';
import { narrowAll, partOf, windowsOf } from './windows.ts';

// Order 2 is order 1 many times: c (q·k)² = Σ_m (c q_m q)·(k_m k), so feature m scales the rows of q and k, and the same kernels run
// D times more and add to their outputs; as many features as there is room for the states of go by a launch. Time O(N D³), memory as
// for order 1, and that room.

interface Outputs {
  readonly out: Buffer;
  readonly g: Buffer;
  readonly final: Buffer | undefined;
}

/** [g o, g] = T(weights ψ(q), ψ(k), w), then o; the state after all tokens where it is wanted. */
export const linearAttention =
  (gpu: Gpu): Kernel<LinearAttentionAttributes> =>
  (inputs, attributes) => {
    const [q, k, v] = inputs;
    const { sizes, queries, pairs, stateRows } = describe(q!, k!, v!, attributes.order);
    const numbers = {
      out: queries * sizes.valueWidth,
      g: queries,
      final: attributes.returnState ? pairs * stateRows * (sizes.valueWidth + 1) : 0,
    };
    const out = gpu.take('o', numbers.out, { inViews: true });
    const g = gpu.take('g', numbers.g, { inViews: true });
    const final = attributes.returnState ? gpu.take('state', numbers.final, { inViews: true }) : undefined;
    for (const window of windowsOf(gpu, 'linearAttention', inputs, sizes.batch, Object.values(numbers))) {
      attend(gpu, narrowAll(inputs, window), attributes, {
        out: partOf(out, numbers.out, window),
        g: partOf(g, numbers.g, window),
        final: final && partOf(final, numbers.final, window),
      });
    }
    return final ? [out, g, final] : [out, g];
  };

function attend(
  gpu: Gpu,
  [q, k, v, coefficients, state, keyWeights]: readonly (Operand | undefined)[],
  attributes: LinearAttentionAttributes,
  { out, g, final }: Outputs,
): void {
  const call = describe(q!, k!, v!, attributes.order);
  const { sizes, queries, keys } = call;
  const [bq, bk, bv] = [q, k, v].map(bufferOf);
  const groups = slabs(gpu, sizes, phases(attributes, call), tuning.slabBytes);
  const most = attributes.order === 1 ? 1 : partsAtOnce(gpu, sizes, groups, 2 * (queries + keys), tuning.slabBytes);
  const factors = new Factors(gpu, bufferOf(coefficients), planeRoom(call, attributes, most));
  const planes = planesOf(factors, call, attributes, [bq, bk], keyWeights, most);
  const weights = plane(planes.weights);
  for (const part of partsOf(call, most)) {
    const scales = planes.part(part);
    const first = part.feature < 0;
    const operands = {
      x: { buffer: bq, factor: times(first ? 'b' : 'c', scales.q, queries) },
      alpha: first ? a : zero,
      y: { buffer: bk, factor: plane(scales.k, keys) },
      beta: first ? one : zero,
      z: { buffer: bv, factor: weights },
      omega: weights,
    };
    const ends = { initial: state && bufferOf(state), final };
    const extra = attributes.order === 1 ? 'divide' : 'keep';
    const target = { out, g, extra, accumulate: !first } as const;
    for (const ranges of groups) {
      chain(gpu, ranges, call, part.firstRow, ends, (range, rows) => {
        const segments = statesOf(gpu, factors.buffer, sizes, range, operands, rows, part.count);
        chunks(gpu, factors.buffer, sizes, range, operands, segments, false, target, part.count);
        gpu.give(segments.slots);
      });
    }
  }
  if (attributes.order === 2) {
    const count = queries * sizes.valueWidth;
    const program = { name: 'divideRows', source: divideSource, constants: {} };
    gpu.run(program, [out, g], [count, sizes.valueWidth], gridOf(count, 256));
  }
  factors.free();
}
