import type { Buffer } from './buffer.ts';
import type { Device } from './devices/device.ts';
import type { Program } from './program.ts';

/** Runs the programs of one operation and owns what lies between its inputs and its outputs. */
export class Scratch {
  readonly device: Device;
  readonly #live = new Set<Buffer>();

  private constructor(device: Device) {
    this.device = device;
  }

  /** Everything run inside `body` is released at its end, except what it returns. */
  static use(device: Device, body: (scratch: Scratch) => Buffer[]): Buffer[] {
    const scratch = new Scratch(device);
    try {
      const results = body(scratch);
      for (const result of results) scratch.#live.delete(result);
      return results;
    } finally {
      for (const buffer of scratch.#live) device.release(buffer);
    }
  }

  run(program: Program, inputs: readonly Buffer[], numbers?: readonly number[]): Buffer {
    return this.own(this.device.run(program, inputs, numbers));
  }

  /** Takes over a buffer that something else has made. */
  own(buffer: Buffer): Buffer {
    this.#live.add(buffer);
    return buffer;
  }

  /** Releases what is no longer needed, if it is of this scratch. */
  free(...buffers: readonly (Buffer | undefined)[]): void {
    for (const buffer of buffers) if (buffer && this.#live.delete(buffer)) this.device.release(buffer);
  }
}
