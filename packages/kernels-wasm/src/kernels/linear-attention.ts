import { type LinearAttentionAttributes, type Mask, stateRows, type Tensor } from '@linattn/math';
import { address, type Device } from '../device.ts';
import { reduceMiddle } from './reduce.ts';
import type { KernelsOf } from './table.ts';

const masks: Readonly<Record<Mask, number>> = { causal: 0, bidirectional: 1, prefix: 2 };
const chunk = 16;
const up8 = (x: number): number => Math.ceil(x / 8) * 8;

interface Sizes {
  readonly heads: number;
  /** Groups of heads: the blocks. */
  readonly groups: number;
  readonly scratchBytes: number;
  readonly stateSize: number;
  /** The first 17 arguments: see assembly/attention/head.ts. */
  readonly common: number[];
}

/** States of a group should stay in the second cache. */
const groupFloats = 65536;

/** Neighbouring heads that one block does side by side: as many as fit the cache, yet enough groups to share out. */
function groupSize(device: Device, batch: number, heads: number, stateFloats: number): number {
  const fitting = Math.max(1, Math.floor(groupFloats / stateFloats));
  const shared = device.threads === 1 ? heads : Math.max(1, Math.floor((batch * heads) / (2 * device.threads)));
  return Math.min(heads, fitting, shared);
}

function sizesOf(
  device: Device,
  inputs: readonly (Tensor | undefined)[],
  { mask, prefix, order, radius }: LinearAttentionAttributes,
): Sizes {
  const [q, k, v, coefficients, state, keyWeights] = inputs;
  const [batch, queries, heads, width] = q!.shape;
  const keys = k!.shape[1];
  const valueWidth = v!.shape[3];
  const [D, E] = [up8(width), up8(valueWidth)];
  // What `place` of head.ts lays out.
  const chunks = chunk * (6 * D + 3 * E + 2) + 2 * chunk * chunk + D * E;
  const stateFloats = 16 + D * E + D + E + (order === 2 ? D * D + D * D * E : 0);
  const group = groupSize(device, batch, heads, stateFloats);
  return {
    heads: batch * heads,
    groups: batch * Math.ceil(heads / group),
    scratchBytes: (chunks + group * stateFloats) * 4,
    stateSize: stateRows(width, order) * (valueWidth + 1),
    common: [
      ...[q, k, v, coefficients, state, keyWeights].map(address),
      ...[
        batch,
        queries,
        keys,
        heads,
        width,
        valueWidth,
        masks[mask],
        mask === 'prefix' ? prefix : 0,
        order,
        radius,
        group,
      ],
    ],
  };
}

export const linearAttention: KernelsOf<'linearAttention' | 'linearAttentionBackward'> = (device) => ({
  linearAttention: (inputs, attributes, outputs) =>
    device.produce('linearAttention', outputs, (o, g, state = 0) => {
      const { groups, scratchBytes, stateSize, common } = sizesOf(device, inputs, attributes);
      device.run('linearAttention', groups, [...common, o, g, state, stateSize], scratchBytes);
    }),

  linearAttentionBackward: (inputs, attributes, outputs) =>
    device.produce('linearAttentionBackward', outputs, (dq, dk, dv, dCoefficients, dInitial = 0) => {
      const { heads, groups, scratchBytes, stateSize, common } = sizesOf(device, inputs, attributes);
      const given = inputs.slice(6, 10).map(address);
      device.borrow('linearAttentionBackward', heads * 16 + 16, (sums) => {
        const { coefficientGradients } = attributes;
        const values = [...common, ...given, dq, dk, dv, dInitial, sums + 16, stateSize, Number(coefficientGradients)];
        device.run('linearBackward', 2 * groups, values, scratchBytes);
        if (!coefficientGradients) return;
        // Four numbers a head are summed in order; the fourth is not used.
        reduceMiddle(device, 0, sums + 16, sums, 1, heads, 4);
        device.floats(dCoefficients, 3).set(device.floats(sums, 3));
      });
    }),
});
