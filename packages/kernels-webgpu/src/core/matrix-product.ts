import type { Gpu } from '../runtime/gpu.ts';
import type { MatrixUnits } from '../runtime/matrix-units.ts';
import type { Buffer } from '../runtime/pool.ts';
import type { Program } from '../runtime/program.ts';
import type { Constants } from '../runtime/specialize.ts';

/** Tiles of 16 x 16 sums of a subgroup, and subgroups: 128 rows and columns a workgroup, as the large tile of matmul.ts has. */
const shape = { MI: 4, NI: 4, WM: 2, WN: 2 };
/** Columns whose statistics come together. */
export const statisticsColumns = 16 * shape.NI;
/** Features of a panel, and those after which a sum is rounded to float32 (what halves miss is more than what units cut off). */
const depths = { split: { BK: 16, CHAIN: 512 }, half: { BK: 32, CHAIN: 4096 } };
/** A sum that is not stored cannot be broken off. */
const unbroken = 2 ** 31;

/** Numbers of a buffer, `start` a multiple of four. */
export interface Numbers {
  readonly buffer: Buffer;
  readonly start: number;
  readonly count: number;
}

/** The largest magnitudes of both operands, or of what bounds them: what matrix/product.wgsl scales by. The caller gives it back. */
export function largest(gpu: Gpu, { texts }: MatrixUnits, of: readonly [a: Numbers, b: Numbers]): Buffer {
  const tops = gpu.take('matmul', 512);
  gpu.run(
    { name: 'largest', source: texts.largest, constants: {} },
    [tops, ...of.map(({ buffer }) => buffer)],
    of.flatMap(({ start, count }) => [start, count]),
    [256, 2],
  );
  return tops;
}

/**
 * core/matmul.wgsl's work on matrix units.
 * @param binding where `largest`'s buffer is bound.
 */
export const productOnUnits = (
  { precision, texts }: MatrixUnits,
  name: string,
  declarations: readonly string[],
  constants: Constants,
  binding: number,
): Program => ({
  name: `${name} on matrix units`,
  source: texts.product,
  constants: {
    ...shape,
    ...depths[precision],
    ...(constants.STATS === 1 && { CHAIN: unbroken }),
    PARTS: precision === 'split' ? 2 : 1,
    ...constants,
  },
  declarations: [...declarations, `@group(0) @binding(${binding}) var<storage, read> tops: array<vec4u>;\n`].join('\n'),
  directives: texts.directives,
});
