import { LinattnError } from '@linattn/math';

/** WebAssembly's 4 GiB (or the `maximumBytes` given) are used up. */
export class OutOfMemoryError extends LinattnError {
  /** Bytes that the operation asked for. */
  readonly wanted: number;

  constructor(operation: string, wanted: number, used: number, maximum: number) {
    super('OUT_OF_MEMORY', `${operation}: ${wanted} more bytes do not fit; ${used} of ${maximum} are in use`, {
      argument: operation,
      given: wanted,
      expected: `at most ${maximum} bytes in all`,
    });
    this.wanted = wanted;
  }
}
