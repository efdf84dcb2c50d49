import { type Gpu, gridOf } from '../runtime/gpu.ts';
import type { Buffer } from '../runtime/pool.ts';
import { bits, type Grid } from '../runtime/recorder.ts';
import { fourOf, units } from '../runtime/rows.ts';
import source from './planes.wgsl?raw';

/** A number for each row: a coefficient times a plane (0: none). Of several parts of f each has its own, `step` numbers on; 0: the same. */
export type Factor = readonly [coefficient: number, plane: number, step?: number];

export const one: Factor = [0, 0];
export const a: Factor = [1, 0];
export const zero: Factor = [4, 0];
/** A plane alone; 1 where there is none. */
export const plane = (at: number, step = 0): Factor => [0, at, step];
export const times = (coefficient: 'a' | 'b' | 'c', at: number, step = 0): Factor => [
  { a: 1, b: 2, c: 3 }[coefficient],
  at,
  step,
];
/** What the part after so many others has. */
export const ofPart = ([coefficient, at, step = 0]: Factor, part: number): Factor => [coefficient, at + part * step];

/** Planes to combine: the first (0: none), and how far on the next is; 0 for the same one again. */
export interface Planes {
  readonly at: number;
  readonly step: number;
}

const none: Planes = { at: 0, step: 0 };

const header = 8;

/** How many invocations take a row of `width` numbers, four at a time where rows begin on a multiple of four. */
export function rowLanes({ software }: Gpu, width: number): { readonly vector: boolean; readonly lanes: number } {
  const lanes = 2 ** Math.ceil(Math.log2(width / 4));
  return { vector: !software && width % 4 === 0, lanes: software ? 16 : Math.min(16, Math.max(4, lanes)) };
}

/** A buffer of 1, a, b, c, 0 and then planes of one number a row, for the attention kernels to scale what they load. */
export class Factors {
  readonly #gpu: Gpu;
  readonly #buffer: Buffer;
  /** a, b and c, until a launch has written them. */
  #coefficients: Buffer | undefined;
  #next = header;

  /** @param room numbers in all planes that will be made. */
  constructor(gpu: Gpu, coefficients: Buffer, room: number) {
    this.#gpu = gpu;
    this.#buffer = gpu.take('linearAttention', header + room);
    this.#coefficients = coefficients;
  }

  get buffer(): Buffer {
    if (this.#coefficients) this.#run(3, [this.#gpu.nothing], [], [1]);
    return this.#buffer;
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
    this.#measure(0, [x], rows, width, [to, 0, bits(radius)]);
    return to;
  }

  /** 1 / g and -δ */
  deltas(o: Buffer, dO: Buffer, g: Buffer, rows: number, width: number): [inverse: number, delta: number] {
    const to = this.make(rows);
    const to2 = this.make(rows);
    this.#measure(1, [o, dO, g], rows, width, [to, to2]);
    return [to, to2];
  }

  /** `count` planes, from `to` on: products of planes and of a feature of x, each with the next feature. */
  combine(
    { to, rows, count }: { readonly to: number; readonly rows: number; readonly count: number },
    planes: readonly Planes[],
    feature?: { readonly x: Buffer; readonly width: number; readonly first: number },
  ): number {
    const { x = this.#gpu.nothing, width = 0, first = 0 } = feature ?? {};
    const [a = none, b = none] = planes.filter(({ at }) => at !== 0);
    const params = [rows, width, to, 0, 0, a.at, b.at, first];
    this.#run(2, [x], params, gridOf(count * rows, 256), { more: [count, a.step, b.step] });
    return to;
  }

  #measure(op: number, inputs: readonly Buffer[], rows: number, width: number, params: readonly number[]): void {
    const { vector, lanes } = rowLanes(this.#gpu, width);
    this.#run(op, inputs, [rows, width, ...params], gridOf(rows, (4 * 256) / lanes), { vector, lanes });
  }

  #run(
    op: number,
    inputs: readonly Buffer[],
    params: readonly number[],
    grid: Grid,
    { vector = false, lanes = 16, more = [] as readonly number[] } = {},
  ): void {
    const { nothing } = this.#gpu;
    const [x, y = nothing, g = nothing] = inputs;
    const declarations = [units(vector), fourOf('x', vector), fourOf('y', vector)].join('');
    const constants = { OP: op, LANES: lanes };
    const coefficients = this.#coefficients;
    this.#coefficients = undefined;
    const eight = Array.from({ length: 8 }, (_, i) => params[i] ?? 0);
    this.#gpu.run(
      { name: `planes${Number(vector)}`, source, constants, declarations },
      [this.#buffer, x, y, g, coefficients ?? nothing],
      [...eight, Number(coefficients !== undefined), ...more],
      grid,
    );
  }

  free(): void {
    this.#gpu.give(this.#buffer);
  }
}
