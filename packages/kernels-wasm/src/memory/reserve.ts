import { DeviceError } from '@linattn/math';

export interface Reserved {
  readonly memory: WebAssembly.Memory;
  /** Pages that it may grow to. */
  readonly maximum: number;
}

/**
 * Memory that threads can share, of `initial` pages, that may grow to `maximum`. Safari reserves all of that at once, and on telephones has no
 * 4 GiB to reserve: the half is asked for then, and so on.
 * @throws DeviceError where not even the initial pages are to be had.
 */
export function reserve(initial: number, maximum: number): Reserved {
  try {
    return { memory: new WebAssembly.Memory({ initial, maximum, shared: true }), maximum };
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    if (maximum > initial) return reserve(initial, Math.max(initial, Math.floor(maximum / 2)));
    throw new DeviceError(`wasm: this engine has no ${initial} pages of 64 KiB of memory to share`, { cause });
  }
}
