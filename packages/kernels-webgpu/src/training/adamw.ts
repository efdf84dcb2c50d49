import type { AdamWAttributes, Kernel, Tensor } from '@linattn/math';
import { bufferOf, type Gpu, gridOf } from '../runtime/gpu.ts';
import { type Buffer, bindingAlignment } from '../runtime/pool.ts';
import { bits } from '../runtime/recorder.ts';
import source from './adamw.wgsl?raw';
import gatherSource from './gather.wgsl?raw';
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

/** Cuts groups into launches: of one home, or without a home yet and together of at most `room` bytes. */
export function launchesOf<G extends Pick<Group, 'state' | 'size'>>(groups: readonly G[], room: number): G[][] {
  const launches: G[][] = [];
  let homes: readonly Buffer[] | undefined;
  let bytes = 0;
  for (const group of groups) {
    const launch = launches.at(-1);
    const own = homeOf(group);
    const together = own ? own.every((whole, i) => whole === homes?.[i]) : !homes && bytes + bytesOf(group) <= room;
    if (launch && together) {
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

/** A buffer with a part for each group. */
function home(gpu: Gpu, groups: readonly Group[]): { readonly whole: Buffer; readonly parts: readonly Buffer[] } {
  const lengths = groups.map(bytesOf);
  const whole = gpu.take('adamW', lengths.reduce((sum, length) => sum + length, 0) / 4);
  return { whole, parts: gpu.pool.cut(whole, lengths) };
}

interface Copy {
  readonly from: Buffer;
  /** A part of the buffer that all are copied to. */
  readonly to: Buffer;
  readonly size: number;
}

/** Makes a function that copies many buffers to their places of one. */
function copier(gpu: Gpu): (whole: Buffer, copies: readonly Copy[]) => void {
  const sources = many(gpu, 1, 256);
  const { count, declarations } = sources;
  const program = { name: 'gather', source: gatherSource, constants: { COUNT: count }, declarations };
  return (whole, copies) => {
    for (let first = 0; first < copies.length; first += count) {
      const run = copies.slice(first, first + count);
      const { segments, workgroups, grid } = sources.table(
        run.map(({ size }) => size),
        (i) => [run[i].to.offset / 4, 0],
      );
      gpu.run(
        program,
        [whole, ...sources.bound(run.map(({ from }) => from))],
        [workgroups, 0, 0, 0, ...segments],
        grid,
      );
    }
  };
}

/** The segments of adamw.wgsl. */
function segmentsOf(groups: readonly Group[], gradients: readonly Buffer[]): [Int32Array<ArrayBuffer>, number] {
  let workgroups = 0;
  const words = groups.flatMap(({ size, state, kept }, i) => {
    const first = workgroups;
    workgroups += Math.ceil(size / 256);
    return [first, size, state[0].offset / 4, gradients[i].offset / 4, kept];
  });
  return [Int32Array.from(words), workgroups];
}

/**
 * AdamW in place, all parameters in one launch. At its first update a parameter moves, with its moments, into buffers that all share;
 * there it stays. Gradients come to lie in one buffer, too: what makes them makes them there, where it was recorded since the last
 * submission; others are copied.
 */
export function adamW(gpu: Gpu): Kernel<AdamWAttributes> {
  const { maxStorageBufferBindingSize, maxBufferSize } = gpu.device.limits;
  const copyAll = copier(gpu);
  const program = { name: 'adamW', source, constants: {} };

  /** Moves p, m and v of some groups into three buffers. */
  const settle = (groups: readonly Group[]): Group[] => {
    const parts = groups[0].state.map((_, k) => {
      const { whole, parts: places } = home(gpu, groups);
      const copies = groups.map(({ state, size }, i) => ({ from: state[k], to: places[i], size }));
      copyAll(whole, copies);
      return places;
    });
    return groups.map((group, i) => ({ ...group, state: parts.map((places) => places[i]) }));
  };

  const launch = (run: readonly Group[], scale: Buffer, numbers: readonly number[]): readonly Group[] => {
    const groups = homeOf(run[0]) ? run : settle(run);
    const homes = homeOf(groups[0])!;
    const { whole, parts } = home(gpu, groups);
    const gradients = groups.map(({ gradient }) => gradient);
    const apart = gpu.join(gradients, parts);
    copyAll(
      whole,
      apart.map((i) => ({ from: gradients[i], to: parts[i], size: groups[i].size })),
    );
    const [words, workgroups] = segmentsOf(groups, parts);
    const segments = gpu.upload(words);
    // A launch cannot read other parts of what it writes.
    const [factor, spare] = scale.whole && homes.includes(scale.whole) ? copyOf(scale) : [scale];
    gpu.run(program, [...homes, factor, whole, segments], [...numbers.map(bits), groups.length], gridOf(workgroups, 1));
    gpu.give(spare, segments, ...apart.map((i) => parts[i]));
    return groups;
  };

  const copyOf = (scale: Buffer): [Buffer, Buffer] => {
    const own = gpu.take('adamW', 1);
    copyAll(own, [{ from: scale, to: own, size: 1 }]);
    return [own, own];
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
    return launchesOf(groups, Math.min(maxStorageBufferBindingSize, maxBufferSize))
      .flatMap((run) => launch(run, bufferOf(scale), numbers))
      .flatMap(({ state }) => state);
  };
}
