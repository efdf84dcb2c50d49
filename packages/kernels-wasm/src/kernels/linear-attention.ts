import { type LinearAttentionAttributes, type Mask, stateRows, type Tensor } from '@linattn/math';
import { address } from '../device.ts';
import { reduceMiddle } from './reduce.ts';
import type { KernelsOf } from './table.ts';

const masks: Readonly<Record<Mask, number>> = { causal: 0, bidirectional: 1, prefix: 2 };
const chunk = 32;
const up8 = (x: number): number => Math.ceil(x / 8) * 8;

interface Sizes {
  readonly heads: number;
  readonly scratchBytes: number;
  readonly stateSize: number;
  /** The first 16 arguments: see assembly/attention/head.ts. */
  readonly common: number[];
}

function sizesOf(
  inputs: readonly (Tensor | undefined)[],
  { mask, prefix, order, radius }: LinearAttentionAttributes,
): Sizes {
  const [q, k, v, coefficients, state, keyWeights] = inputs;
  const [batch, queries, heads, width] = q!.shape;
  const keys = k!.shape[1];
  const valueWidth = v!.shape[3];
  const [D, E] = [up8(width), up8(valueWidth)];
  // What `place` of head.ts lays out.
  const chunks = chunk * (6 * D + 3 * E + 2) + 2 * chunk * chunk;
  const states = 2 * D * E + D + E + D * D + (order === 2 ? D * D * E : 0);
  return {
    heads: batch * heads,
    scratchBytes: (chunks + states) * 4,
    stateSize: stateRows(width, order) * (valueWidth + 1),
    common: [
      ...[q, k, v, coefficients, state, keyWeights].map(address),
      ...[batch, queries, keys, heads, width, valueWidth, masks[mask], mask === 'prefix' ? prefix : 0, order, radius],
    ],
  };
}

export const linearAttention: KernelsOf<'linearAttention' | 'linearAttentionBackward'> = (device) => ({
  linearAttention: (inputs, attributes, outputs) =>
    device.produce('linearAttention', outputs, (o, g, state = 0) => {
      const { heads, scratchBytes, stateSize, common } = sizesOf(inputs, attributes);
      device.run('linearAttention', heads, [...common, o, g, state, stateSize], scratchBytes);
    }),

  linearAttentionBackward: (inputs, attributes, outputs) =>
    device.produce('linearAttentionBackward', outputs, (dq, dk, dv, dCoefficients, dInitial = 0) => {
      const { heads, scratchBytes, stateSize, common } = sizesOf(inputs, attributes);
      const given = inputs.slice(6, 10).map(address);
      device.borrow('linearAttentionBackward', heads * 16 + 16, (sums) => {
        const values = [...common, ...given, dq, dk, dv, dInitial, sums + 16, stateSize];
        device.run('linearBackward', 2 * heads, values, scratchBytes);
        // Four numbers a head are summed in order; the fourth is not used.
        reduceMiddle(device, 0, sums + 16, sums, 1, heads, 4);
        device.floats(dCoefficients, 3).set(device.floats(sums, 3));
      });
    }),
});
