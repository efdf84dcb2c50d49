/** A tensor's numbers as one device holds them: the handle that @linattn/math passes around. */
export class Buffer {
  readonly size: number;
  /** A plain array, a texture or a WebGPU buffer; undefined until the queue has got there, and after release. */
  value: unknown;
  /** The numbers on the host where they are known there at once: always in host modes, and for indices. */
  host: Float32Array | undefined;
  /** What made this result fail, on devices that work later. */
  error: Error | undefined;

  constructor(size: number, host?: Float32Array) {
    this.size = size;
    this.host = host;
  }
}
