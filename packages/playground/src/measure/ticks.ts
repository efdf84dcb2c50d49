import type { Quantity } from './series.ts';

/** Steps in every power of a base. */
interface Scale {
  readonly base: number;
  readonly steps: readonly number[];
}

/** Coarse to fine. */
const scales: Readonly<Record<Quantity, readonly Scale[]>> = {
  seconds: [[1], [1, 2, 5], [1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9]].map((steps) => ({ base: 10, steps })),
  peakBytes: [16, 4, 2].map((base) => ({ base, steps: [1] })),
};

/** Round numbers between the values, of the coarsest scale that has three. */
export function ticksFor(quantity: Quantity, values: readonly number[]): number[] {
  const [least, most] = [Math.min(...values) * (1 - 1e-9), Math.max(...values) * (1 + 1e-9)];
  const within = ({ base, steps }: Scale) => {
    const first = Math.floor(Math.log(least) / Math.log(base));
    const last = Math.floor(Math.log(most) / Math.log(base));
    const powers = Array.from({ length: last - first + 1 }, (_, i) => base ** (first + i));
    return powers.flatMap((power) => steps.map((step) => step * power)).filter((tick) => tick >= least && tick <= most);
  };
  const found = scales[quantity].map(within);
  return found.find(({ length }) => length >= 3) ?? found[found.length - 1];
}
