import { type PhiloxKey, philox4x32 } from '@linattn/math';

/** A sequence of random choices: a function of seed and stream. */
export class Draws {
  readonly #key: PhiloxKey;
  readonly #stream: number;
  readonly #words = new Uint32Array(4);
  #drawn = 0;

  constructor(seed: number, stream: number) {
    this.#key = [seed >>> 0, 0x7ab1e1];
    this.#stream = stream;
  }

  /** In [0, 1), a multiple of 2⁻³². */
  uniform(): number {
    const word = this.#drawn % 4;
    if (word === 0) philox4x32(this.#key, this.#drawn / 4, 0, this.#stream, 0, this.#words);
    this.#drawn++;
    return this.#words[word] / 2 ** 32;
  }

  /** An integer in [0, count). */
  below(count: number): number {
    return Math.floor(this.uniform() * count);
  }
}
