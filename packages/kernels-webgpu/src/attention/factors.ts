import { type Gpu, gridOf } from '../runtime/gpu.ts';
import type { Buffer } from '../runtime/pool.ts';
import { bits, type Grid } from '../runtime/recorder.ts';
import source from './planes.wgsl?raw';

/** A number for each row: a coefficient times a plane (0: none). */
export type Factor = readonly [coefficient: number, plane: number];

export const one: Factor = [0, 0];
export const a: Factor = [1, 0];
export const zero: Factor = [4, 0];
/** A plane alone; 1 where there is none. */
export const plane = (at: number): Factor => [0, at];
export const times = (coefficient: 'a' | 'b' | 'c', at: number): Factor => [{ a: 1, b: 2, c: 3 }[coefficient], at];

const header = 8;

/** A buffer of 1, a, b, c, 0 and then planes of one number a row, for the attention kernels to scale what they load. */
export class Factors {
  readonly #gpu: Gpu;
  readonly buffer: Buffer;
  #next = header;

  /** @param room numbers in all planes that will be made. */
  constructor(gpu: Gpu, coefficients: Buffer, room: number) {
    this.#gpu = gpu;
    this.buffer = gpu.take('linearAttention', header + room);
    this.#run(3, [coefficients], [], [1]);
  }

  /** Reserves a plane. */
  make(rows: number): number {
    const at = this.#next;
    this.#next += rows;
    return at;
  }

  /** radius / |x| */
  lengths(x: Buffer, rows: number, width: number, radius: number): number {
    const to = this.make(rows);
    this.#run(0, [x], [rows, width, to, 0, bits(radius)], gridOf(rows, 16));
    return to;
  }

  /** 1 / g and -δ */
  deltas(o: Buffer, dO: Buffer, g: Buffer, rows: number, width: number): [inverse: number, delta: number] {
    const to = this.make(rows);
    const to2 = this.make(rows);
    this.#run(1, [o, dO, g], [rows, width, to, to2], gridOf(rows, 16));
    return [to, to2];
  }

  /** Product of planes and of one feature of x, into `to`. */
  combine(to: number, rows: number, planes: readonly number[], x?: Buffer, width = 0, feature = 0): number {
    const [first = 0, second = 0] = planes.filter((at) => at !== 0);
    this.#run(2, [x ?? this.#gpu.nothing], [rows, width, to, 0, 0, first, second, feature], gridOf(rows, 256));
    return to;
  }

  #run(op: number, inputs: readonly Buffer[], params: readonly number[], grid: Grid): void {
    const { nothing } = this.#gpu;
    const [x, y = nothing, g = nothing] = inputs;
    this.#gpu.run({ name: 'planes', source, constants: { OP: op } }, [this.buffer, x, y, g], params, grid);
  }

  free(): void {
    this.#gpu.give(this.buffer);
  }
}
