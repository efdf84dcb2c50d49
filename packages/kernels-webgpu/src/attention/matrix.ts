import type { Gpu } from '../runtime/gpu.ts';
import type { MatrixUnits } from '../runtime/matrix-units.ts';
import type { Sizes } from './run.ts';

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
