import { address } from '../device.ts';
import type { KernelsOf } from './table.ts';

const directions = { forward: 0, reverse: 1, all: 2 } as const;
const chunk = 32;
const up8 = (x: number): number => Math.ceil(x / 8) * 8;

export const tripleProduct: KernelsOf<'tripleProduct'> = (device) => ({
  tripleProduct: ([x, y, z, state], { direction }, outputs) =>
    device.produce('tripleProduct', outputs, (output, final = 0) => {
      const [batch, n, heads, features] = x!.shape;
      const m = y!.shape[1];
      const width = z!.shape[3];
      const [F, E] = [up8(features), up8(width)];
      const floats = chunk * (3 * F + 2 * E + chunk) + F * E;
      const tensors = [x, y, z, state].map(address);
      const values = [...tensors, output, final, n, m, heads, features, width, directions[direction]];
      device.run('tripleProduct', batch * heads, values, floats * 4);
    }),
});
