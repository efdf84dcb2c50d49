/** Running moments of draws of an output [N, D], about a reference near their mean (so that sums do not cancel). */
export class SampleMoments {
  #draws = 0;
  readonly #reference: Float64Array;
  readonly #powers: readonly Float64Array[];
  readonly #neighbour: Float64Array;
  readonly #neighbourSquare: Float64Array;
  readonly #width: number;

  constructor(reference: Float64Array, width: number) {
    this.#reference = reference;
    this.#width = width;
    this.#powers = Array.from({ length: 4 }, () => new Float64Array(reference.length));
    this.#neighbour = new Float64Array(reference.length);
    this.#neighbourSquare = new Float64Array(reference.length);
  }

  /** Takes one draw [N, D], or several one after the other. */
  add(samples: ArrayLike<number>): void {
    const size = this.#reference.length;
    const [first, second, third, fourth] = this.#powers;
    for (let start = 0; start < samples.length; start += size) {
      for (let at = 0; at < size; at++) {
        const x = samples[start + at] - this.#reference[at];
        first[at] += x;
        second[at] += x * x;
        third[at] += x * x * x;
        fourth[at] += x * x * x * x;
        const before = at - this.#width;
        if (before < 0) continue;
        const product = x * (samples[start + before] - this.#reference[before]);
        this.#neighbour[at] += product;
        this.#neighbourSquare[at] += product * product;
      }
      this.#draws++;
    }
  }

  get draws(): number {
    return this.#draws;
  }

  /** [N, D] */
  get mean(): Float64Array {
    return this.#reference.map((reference, at) => reference + this.#raw(1, at));
  }

  /** Unbiased [N, D]. */
  get variance(): Float64Array {
    return this.#reference.map((_, at) => (this.#central(2, at) * this.#draws) / (this.#draws - 1));
  }

  /** Standard error of the mean [N, D]. */
  get meanError(): Float64Array {
    return this.variance.map((variance) => Math.sqrt(variance / this.#draws));
  }

  /** Standard error of the variance [N, D], from the fourth moment: √((μ₄ - σ⁴) / draws). */
  get varianceError(): Float64Array {
    return this.#reference.map((_, at) =>
      Math.sqrt(Math.max(0, this.#central(4, at) - this.#central(2, at) ** 2) / this.#draws),
    );
  }

  /** Covariance of each element with the same feature of the query before [N, D]; 0 for the first. */
  get neighbourCovariance(): Float64Array {
    return this.#neighbour.map((sum, at) =>
      at < this.#width ? 0 : sum / this.#draws - this.#raw(1, at) * this.#raw(1, at - this.#width),
    );
  }

  /** Its standard error [N, D], for means near the reference. */
  get neighbourError(): Float64Array {
    return this.#neighbour.map((sum, at) =>
      Math.sqrt(Math.max(0, this.#neighbourSquare[at] / this.#draws - (sum / this.#draws) ** 2) / this.#draws),
    );
  }

  #raw(power: 1 | 2 | 3 | 4, at: number): number {
    return this.#powers[power - 1][at] / this.#draws;
  }

  #central(order: 2 | 4, at: number): number {
    const mean = this.#raw(1, at);
    if (order === 2) return this.#raw(2, at) - mean ** 2;
    return this.#raw(4, at) - 4 * mean * this.#raw(3, at) + 6 * mean ** 2 * this.#raw(2, at) - 3 * mean ** 4;
  }
}
