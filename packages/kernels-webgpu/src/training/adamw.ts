import type { AdamWAttributes, Kernel, Tensor } from '@linattn/math';
import { window } from '../core/kernels.ts';
import { bufferOf, type Gpu } from '../runtime/gpu.ts';
import { type Buffer, bindingAlignment } from '../runtime/pool.ts';
import { bits } from '../runtime/recorder.ts';
import source from './adamw.wgsl?raw';
import { many } from './many.ts';

/** One parameter's buffers. */
export interface Group {
  /** p, m and v. */
  readonly state: readonly Buffer[];
  readonly gradient: Buffer;
  readonly size: number;
  /** 1 - lr decay, as bits. */
  readonly kept: number;
}

/** The three buffers that p, m and v are parts of, where they lie at the same place of each. */
function homeOf({ state }: Pick<Group, 'state'>): readonly Buffer[] | undefined {
  const wholes = state.flatMap(({ whole, offset }) => (whole && offset === state[0].offset ? [whole] : []));
  return wholes.length === state.length ? wholes : undefined;
}

const bytesOf = ({ size }: Pick<Group, 'size'>): number => Math.ceil((4 * size) / bindingAlignment) * bindingAlignment;

/** Cuts groups into launches of at most `most`: of one home, or without a home yet and together of at most `room` bytes. */
export function launchesOf<G extends Pick<Group, 'state' | 'size'>>(
  groups: readonly G[],
  most: number,
  room: number,
): G[][] {
  const launches: G[][] = [];
  let homes: readonly Buffer[] | undefined;
  let bytes = 0;
  for (const group of groups) {
    const launch = launches.at(-1);
    const own = homeOf(group);
    const together = own ? own.every((whole, i) => whole === homes?.[i]) : !homes && bytes + bytesOf(group) <= room;
    if (launch && launch.length < most && together) {
      launch.push(group);
      bytes += bytesOf(group);
    } else {
      launches.push([group]);
      homes = own;
      bytes = bytesOf(group);
    }
  }
  return launches;
}

const copy = (gpu: Gpu, out: Buffer, x: Buffer, size: number): void =>
  window(gpu, out, x, { outShape: [size], inShape: [size], axis: 0, shift: 0, place: true });

/** Moves p, m and v of some groups into three buffers. */
function settle(gpu: Gpu, groups: readonly Group[]): Group[] {
  const lengths = groups.map(bytesOf);
  const bytes = lengths.reduce((sum, length) => sum + length, 0);
  const parts = groups[0].state.map(() => gpu.pool.cut(gpu.take('adamW', bytes / 4), lengths));
  return groups.map((group, i) => ({
    ...group,
    state: group.state.map((from, k) => {
      copy(gpu, parts[k][i], from, group.size);
      return parts[k][i];
    }),
  }));
}

/**
 * AdamW in place, as many parameters a launch as a shader binds gradients. At its first update a parameter moves, with its moments, into
 * buffers that the parameters of a launch share; there it stays.
 */
export function adamW(gpu: Gpu): Kernel<AdamWAttributes> {
  const { maxStorageBufferBindingSize, maxBufferSize } = gpu.device.limits;
  const gradients = many(gpu, 4, 256);
  const { count, declarations } = gradients;
  const program = { name: 'adamW', source, constants: { COUNT: count }, declarations };

  const launch = (run: readonly Group[], scale: Buffer, numbers: readonly number[]): readonly Group[] => {
    const settled = homeOf(run[0]) ? run : settle(gpu, run);
    const homes = homeOf(settled[0])!;
    const spare: Buffer[] = [];
    // A launch cannot read other parts of what it writes.
    const apart = (buffer: Buffer): Buffer => {
      if (!buffer.whole || !homes.includes(buffer.whole)) return buffer;
      const own = gpu.take('adamW', buffer.bytes / 4);
      copy(gpu, own, buffer, buffer.bytes / 4);
      spare.push(own);
      return own;
    };
    const { segments, grid } = gradients.table(
      settled.map(({ size }) => size),
      (i) => [settled[i].state[0].offset / 4, settled[i].kept],
    );
    gpu.run(
      program,
      [...homes, apart(scale), ...gradients.bound(settled.map(({ gradient }) => apart(gradient)))],
      [...numbers.map(bits), 0, ...segments],
      grid,
    );
    gpu.give(...spare);
    return settled;
  };

  return ([scale, ...rest], { learningRate, beta1, beta2, epsilon, step, weightDecay }) => {
    const groups = weightDecay.map((decay, i): Group => {
      const [parameter, gradient, ...moments] = rest.slice(4 * i, 4 * i + 4) as Tensor[];
      return {
        state: [parameter, ...moments].map(bufferOf),
        gradient: bufferOf(gradient),
        size: parameter.size,
        kept: bits(1 - learningRate * decay),
      };
    });
    const rate = learningRate / (1 - beta1 ** step);
    const numbers = [rate, beta1, beta2, epsilon, 1 / (1 - beta2 ** step), 1 - beta1, 1 - beta2];
    return launchesOf(groups, count, Math.min(maxStorageBufferBindingSize, maxBufferSize))
      .flatMap((run) => launch(run, bufferOf(scale), numbers))
      .flatMap(({ state }) => state);
  };
}
