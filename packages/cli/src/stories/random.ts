import { philox4x32, uniformFromWord } from '@linattn/math';

/** Small seeded choices for one story: words of a Philox stream named by (seed, story), so that story n never depends on story n - 1. */
export class Choices {
  readonly #words = new Uint32Array(4);
  readonly #seed: number;
  readonly #story: number;
  #drawn = 0;

  constructor(seed: number, story: number) {
    this.#seed = seed >>> 0;
    this.#story = story;
  }

  /** Uniform in (0, 1). */
  uniform(): number {
    const at = this.#drawn++;
    if (at % 4 === 0) philox4x32([this.#seed, 0x53746f72], at / 4, 0, this.#story, 0, this.#words);
    return uniformFromWord(this.#words[at % 4]);
  }

  /** An integer in [0, n). */
  below(n: number): number {
    return Math.floor(this.uniform() * n);
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)];
  }

  /** `count` different items, in random order. */
  sample<T>(items: readonly T[], count: number): T[] {
    const rest = [...items];
    return Array.from({ length: count }, () => rest.splice(this.below(rest.length), 1)[0]);
  }
}
