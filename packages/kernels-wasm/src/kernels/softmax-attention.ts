import type { Mask, SoftmaxAttentionAttributes, Tensor } from '@linattn/math';
import { address } from '../device.ts';
import type { KernelsOf } from './table.ts';

const masks: Readonly<Record<Mask, number>> = { causal: 0, bidirectional: 1, prefix: 2 };
const tile = 64;
const up = (x: number, multiple: number): number => Math.ceil(x / multiple) * multiple;

function sizesOf([q, k, v]: readonly (Tensor | undefined)[], { mask, prefix, scale }: SoftmaxAttentionAttributes) {
  const [batch, queries, heads, width] = q!.shape;
  const keys = k!.shape[1];
  const valueWidth = v!.shape[3];
  return {
    heads: batch * heads,
    D: up(width, 8),
    E: up(valueWidth, 8),
    paddedQueries: up(queries, tile),
    paddedKeys: up(keys, tile),
    common: [
      ...[q, k, v].map(address),
      ...[batch, queries, keys, heads, width, valueWidth, masks[mask], mask === 'prefix' ? prefix : 0, scale],
    ],
  };
}

export const softmaxAttention: KernelsOf<'softmaxAttention' | 'softmaxAttentionBackward'> = (device) => ({
  softmaxAttention: (inputs, attributes, outputs) =>
    device.produce('softmaxAttention', outputs, (o, logSum) => {
      const { heads, D, E, paddedKeys, common } = sizesOf(inputs, attributes);
      const floats = tile * (2 * D + E + tile + 2) + paddedKeys * (D + E);
      device.run('softmaxAttention', heads, [...common, o, logSum], floats * 4);
    }),

  softmaxAttentionBackward: (inputs, attributes, outputs) =>
    device.produce('softmaxAttentionBackward', outputs, (dq, dk, dv) => {
      const { heads, D, E, paddedQueries, common } = sizesOf(inputs, attributes);
      const floats = paddedQueries * (3 * D + 2 * E + 2) + tile * (2 * D + 2 * E + 3 * tile);
      const [o, logSum, dO] = inputs.slice(3, 6).map(address);
      device.run('softmaxBackward', heads, [...common, o, logSum, dO, dq, dk, dv], floats * 4);
    }),
});
