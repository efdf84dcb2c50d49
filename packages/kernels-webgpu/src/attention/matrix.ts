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
    readonly chunk: string;
    /** Products of matrices, and the largest numbers that they are scaled by. */
    readonly product: string;
    readonly largest: string;
  };
}

/** Tokens of a chunk, and features and columns that a workgroup has room for. */
export const matrixChunk = 64;
export const matrixWidth = 64;

/** Knob that tests turn: the narrowest heads on matrix units. */
export const matrixTuning = { narrowest: 33 };

/** Matrix units where attention gains by them: not with heads of up to 32 numbers (half a tile), nor of more than 64 (P twice). */
export function matrixFor({ matrix }: Gpu, { width, valueWidth }: Sizes): MatrixUnits | undefined {
  const most = Math.max(width, valueWidth);
  return most >= matrixTuning.narrowest && most <= matrixWidth ? matrix : undefined;
}
