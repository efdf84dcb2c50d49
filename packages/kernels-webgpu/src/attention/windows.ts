import { LimitError, sizeOf } from '@linattn/math';
import { bufferOf, type Gpu, type Operand } from '../runtime/gpu.ts';
import { type Buffer, bindingAlignment, view } from '../runtime/pool.ts';

/** Sequences of a batch that are worked on at a time. */
export interface Window {
  readonly first: number;
  readonly count: number;
  /** Of all sequences. */
  readonly of: number;
}

/** Inputs of an attention: all but the coefficients have a part for each sequence. */
type Inputs = readonly (Operand | undefined)[];
const coefficients = 3;

/**
 * Cuts a batch so that what is bound of each tensor fits a binding.
 * @param outputs numbers of each.
 * @throws LimitError where the sequences that a binding can begin with are too many.
 */
export function windowsOf(gpu: Gpu, what: string, inputs: Inputs, batch: number, outputs: readonly number[]): Window[] {
  const limit = gpu.bindingBytes;
  const bytes = [...inputs.flatMap((input, i) => (input && i !== coefficients ? [input.size] : [])), ...outputs].map(
    (numbers) => (4 * numbers) / batch,
  );
  const largest = Math.max(...bytes);
  if (batch * largest <= limit) return [{ first: 0, count: batch, of: batch }];
  let step = 1;
  while (bytes.some((each) => (each * step) % bindingAlignment !== 0)) step *= 2;
  const count = Math.floor(limit / largest / step) * step;
  if (count === 0)
    throw new LimitError(what, step * largest, "the device's maxStorageBufferBindingSize in bytes", limit);
  return Array.from({ length: Math.ceil(batch / count) }, (_, i) => {
    const first = i * count;
    return { first, count: Math.min(count, batch - first), of: batch };
  });
}

/** The window's part of a buffer of so many numbers for all sequences. */
export function partOf(buffer: Buffer, numbers: number, { first, count, of }: Window): Buffer {
  const bytes = (4 * numbers) / of;
  return count === of ? buffer : view(buffer, bytes * first, bytes * count);
}

/** The window's parts of all inputs. */
export const narrowAll = (inputs: Inputs, window: Window): Inputs =>
  inputs.map((input, i) => {
    if (!input || i === coefficients || window.count === window.of) return input;
    const shape = [window.count, ...input.shape.slice(1)];
    return { shape, size: sizeOf(shape), handle: partOf(bufferOf(input), input.size, window) };
  });
