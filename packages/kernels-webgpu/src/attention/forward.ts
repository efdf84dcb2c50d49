import type { Kernel, LinearAttentionAttributes } from '@linattn/math';
import { bufferOf, type Gpu, gridOf, type Operand } from '../runtime/gpu.ts';
import type { Buffer } from '../runtime/pool.ts';
import { chain, describe, phases, planeRoom, planesOf } from './call.ts';
import divideSource from './divide-rows.wgsl?raw';
import { a, Factors, one, plane, times, zero } from './factors.ts';
import { chunks, slabs, statesOf, tuning } from './run.ts';
import { narrowAll, partOf, windowsOf } from './windows.ts';

// Order 2 is order 1 many times: c (q·k)² = Σ_m (c q_m q)·(k_m k), so feature m scales the rows of q and k, and the same kernels run
// D times more and add to their outputs. Time O(N D³), memory as for order 1.

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
  const { sizes, queries } = call;
  const [bq, bk, bv] = [q, k, v].map(bufferOf);
  const factors = new Factors(gpu, bufferOf(coefficients), planeRoom(call, attributes));
  const planes = planesOf(factors, call, attributes, [bq, bk], keyWeights);
  const weights = plane(planes.weights);
  const groups = slabs(gpu, sizes, phases(attributes, call), tuning.slabBytes);
  for (const { feature, firstRow } of call.parts) {
    const scales = planes.part(feature);
    const first = feature < 0;
    const operands = {
      x: { buffer: bq, factor: times(first ? 'b' : 'c', scales.q) },
      alpha: first ? a : zero,
      y: { buffer: bk, factor: plane(scales.k) },
      beta: first ? one : zero,
      z: { buffer: bv, factor: weights },
      omega: weights,
    };
    const ends = { initial: state && bufferOf(state), final };
    const extra = attributes.order === 1 ? 'divide' : 'keep';
    for (const ranges of groups) {
      chain(gpu, ranges, call, firstRow, ends, (range, rows) => {
        const segments = statesOf(gpu, factors.buffer, sizes, range, operands, rows);
        chunks(gpu, factors.buffer, sizes, range, operands, segments, false, { out, g, extra, accumulate: !first });
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
