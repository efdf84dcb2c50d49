import type { ReduceFunction, Shape } from '@linattn/math';
import { sizeOf, stridesOf } from '@linattn/math';
import { type Gpu, gridOf } from '../runtime/gpu.ts';
import type { Buffer } from '../runtime/pool.ts';
import { collapse, eight } from './axes.ts';
import source from './reduce.wgsl?raw';
import splitsSource from './sum-splits.wgsl?raw';

const functions: readonly ReduceFunction[] = ['sum', 'max', 'min'];

/** Terms that one invocation folds one after the other, before the work is split. */
const run = 64;
const plenty = 65_536;

/** Folds `axes` of x away. */
export function reduce(gpu: Gpu, x: Buffer, shape: Shape, axes: readonly number[], fn: ReduceFunction): Buffer {
  const strides = stridesOf(shape);
  const pick = (wanted: boolean) =>
    collapse(
      shape.flatMap((extent, axis) => (axes.includes(axis) === wanted ? [{ extent, strides: [strides[axis]] }] : [])),
    );
  const [kept, folded] = [pick(false), pick(true)];
  const outputs = sizeOf(kept.map(({ extent }) => extent));
  const length = sizeOf(folded.map(({ extent }) => extent));
  const together = folded.at(-1)?.strides[0] === 1 && length > 8;
  const lanes = together ? (length >= 128 ? 256 : 32) : 1;
  // Splits of a long reduction over few outputs are reduced again.
  const busy = Math.max(1, Math.floor(plenty / (outputs * lanes)));
  const splits = Math.min(busy, Math.ceil(length / (run * lanes)), 4096);
  const partial = gpu.take('reduce', splits * outputs);
  const grid = gridOf(outputs, 256 / lanes);
  gpu.run(
    { name: 'reduce', source, constants: { FN: functions.indexOf(fn), LANES: lanes } },
    [partial, x],
    [
      outputs,
      length,
      splits,
      kept.length,
      folded.length,
      0,
      0,
      0,
      ...eight(kept.map(({ extent }) => extent)),
      ...eight(kept.map((axis) => axis.strides[0])),
      ...eight(folded.map(({ extent }) => extent)),
      ...eight(folded.map((axis) => axis.strides[0])),
    ],
    [grid[0], grid[1], splits],
  );
  if (splits === 1) return partial;
  const total = reduce(gpu, partial, [splits, outputs], [0], fn);
  gpu.give(partial);
  return total;
}

/** Sums [splits, size] over its first axis. */
export function reduceSplits(gpu: Gpu, x: Buffer, splits: number, size: number): Buffer {
  if (size % 4 !== 0) return reduce(gpu, x, [splits, size], [0], 'sum');
  const out = gpu.take('reduce', size);
  const fours = size / 4;
  gpu.run({ name: 'reduceSplits', source: splitsSource, constants: {} }, [out, x], [fours, splits], gridOf(fours, 64));
  return out;
}
