/** Least-recently-used entries under a budget; what falls out is given to `evict`. */
export class Cache<T> {
  readonly #entries = new Map<string, { readonly value: T; readonly cost: number }>();
  readonly #evict: (value: T) => void;
  readonly #maxCount: number;
  readonly #maxCost: number;
  #cost = 0;

  constructor(maxCount: number, maxCost: number, evict: (value: T) => void) {
    this.#maxCount = maxCount;
    this.#maxCost = maxCost;
    this.#evict = evict;
  }

  get size(): number {
    return this.#entries.size;
  }

  get cost(): number {
    return this.#cost;
  }

  get(key: string): T | undefined {
    const entry = this.#entries.get(key);
    if (!entry) return undefined;
    // A Map keeps the order of insertion: last in is last used.
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    return entry.value;
  }

  set(key: string, value: T, cost: number): void {
    this.#entries.set(key, { value, cost });
    this.#cost += cost;
    for (const [oldest, entry] of this.#entries) {
      if (oldest === key || (this.#entries.size <= this.#maxCount && this.#cost <= this.#maxCost)) break;
      this.#drop(oldest, entry);
    }
  }

  clear(): void {
    for (const [key, entry] of this.#entries) this.#drop(key, entry);
  }

  #drop(key: string, entry: { readonly value: T; readonly cost: number }): void {
    this.#entries.delete(key);
    this.#cost -= entry.cost;
    this.#evict(entry.value);
  }
}
