import type { BackendMemory } from '@linattn/math';
import type { Buffer } from '../buffer.ts';
import type { Mode } from '../modes.ts';
import type { Program } from '../program.ts';

/** Where programs run and their results live. All calls but `read` and `dispose` return at once. */
export interface Device {
  readonly mode: Mode;
  /** Results are plain arrays, there at once: rows may be moved without a kernel. */
  readonly hostArrays: boolean;
  /** Takes over `values`; `keep`: they stay on the host too (indices). */
  upload(values: Float32Array, keep?: boolean): Buffer;
  /** An array of unknown contents to fill (host modes), from the pool. */
  allocate(size: number): Float32Array;
  /** @param numbers values of `program.numbers`. */
  run(program: Program, inputs: readonly Buffer[], numbers?: readonly number[]): Buffer;
  release(buffer: Buffer): void;
  /** A copy of the numbers. */
  read(buffer: Buffer): Promise<Float32Array>;
  /** The same at once, where results are plain arrays. */
  readSync?(buffer: Buffer): Float32Array;
  memory(): BackendMemory;
  /** Compiled kernels held. */
  readonly kernelCount: number;
  dispose(): Promise<void>;
}
