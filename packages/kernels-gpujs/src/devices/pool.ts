/** Float32Arrays by size, kept for the next operation of that size. */
export class ArrayPool {
  readonly #free = new Map<number, Float32Array[]>();
  readonly #maxBytes: number;
  #bytes = 0;

  /** @param maxBytes kept at most; what comes back beyond is left to the garbage collector. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Contents are unknown. */
  take(size: number): Float32Array {
    const array = this.#free.get(size)?.pop();
    if (!array) return new Float32Array(size);
    this.#bytes -= array.byteLength;
    return array;
  }

  give(array: Float32Array): void {
    if (this.#bytes + array.byteLength > this.#maxBytes) return;
    const list = this.#free.get(array.length);
    if (list) list.push(array);
    else this.#free.set(array.length, [array]);
    this.#bytes += array.byteLength;
  }

  clear(): void {
    this.#free.clear();
    this.#bytes = 0;
  }
}
