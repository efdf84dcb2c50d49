import type { Gpu } from '../runtime/gpu.ts';
import type { Sizes } from './run.ts';

/** Kernels on matrix units, as `matrixUnits` of `@linattn/kernels-webgpu/matrix` makes them. */
export interface MatrixUnits {
  /** Products of two halves a number, or of one. */
  readonly precision: 'split' | 'half';
  /** What the device must have. */
  readonly features: readonly GPUFeatureName[];
  /** Flags that Dawn needs for them, in Node. */
  readonly dawnFlags: readonly string[];
  readonly texts: {
    readonly directives: string;
    /** Workgroup memory, and what products of tiles are written with. */
    readonly helpers: string;
    readonly states: string;
    readonly chunk: string;
    /** Products of matrices, and the largest numbers that they are scaled by. */
    readonly product: string;
    readonly largest: string;
  };
}

/** Tokens of a chunk. */
export const matrixChunk = 64;

const widest = ({ width, valueWidth }: Sizes): number => Math.max(width, valueWidth);

/** Matrix units where they take part: the plain kernels are faster with heads of more than 64 numbers. */
export const matrixFor = ({ matrix }: Gpu, sizes: Sizes): MatrixUnits | undefined =>
  widest(sizes) <= 64 ? matrix : undefined;

/** Features and columns that kernels have room for. */
export function matrixWidth(sizes: Sizes): number {
  const most = widest(sizes);
  if (most <= 16) return 16;
  return most <= 32 ? 32 : 64;
}

/** Subgroups that share 16 rows: two where each then has 32 columns, a whole block (tile.wgsl). */
export const matrixWays = (K: number): number => (K === 64 ? 2 : 1);
