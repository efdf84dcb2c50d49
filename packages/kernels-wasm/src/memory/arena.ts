/** A stretch of memory. Blocks tile the arena; free neighbours are merged. */
export interface Block {
  address: number;
  bytes: number;
  free: boolean;
  lower: Block | undefined;
  upper: Block | undefined;
}

/** Blocks are multiples of a cache line: no two threads write one, and kernels may fill the last vector of any tensor. */
const granularity = 64;

/** Bucket of a free block: 4 to an octave. */
function bucketOf(bytes: number): number {
  const units = bytes / granularity;
  const octave = 31 - Math.clz32(units);
  const quarter = octave < 2 ? 0 : (units >>> (octave - 2)) & 3;
  return octave * 4 + quarter;
}

/**
 * Allocator of a growing memory: free lists by size, first fit within them, merging on release. A program that repeats its
 * allocations (a training step) settles and grows nothing.
 */
export class Arena {
  readonly #buckets: Set<Block>[] = Array.from({ length: 128 }, () => new Set());
  readonly #start: number;
  readonly #grow: (end: number) => boolean;
  /** End of the highest block. */
  #top: number;
  #highest: Block | undefined;
  #liveBlocks = 0;
  #liveBytes = 0;

  /** @param grow makes memory reach to an address at least; false where it cannot. */
  constructor(start: number, grow: (end: number) => boolean) {
    this.#start = start;
    this.#top = start;
    this.#grow = grow;
  }

  get liveBlocks(): number {
    return this.#liveBlocks;
  }

  get liveBytes(): number {
    return this.#liveBytes;
  }

  /** Bytes below the highest block that no one uses. */
  get freeBytes(): number {
    return this.#top - this.#start - this.#liveBytes;
  }

  /** A block of at least `wanted` bytes, or undefined where memory cannot grow so far. Its content is arbitrary. */
  allocate(wanted: number): Block | undefined {
    const bytes = Math.max(granularity, Math.ceil(wanted / granularity) * granularity);
    const block = this.#reuse(bytes) ?? this.#extend(bytes);
    if (!block) return undefined;
    block.free = false;
    this.#liveBlocks++;
    this.#liveBytes += block.bytes;
    return block;
  }

  release(block: Block): void {
    this.#liveBlocks--;
    this.#liveBytes -= block.bytes;
    block.free = true;
    const { lower, upper } = block;
    if (upper?.free) this.#absorb(block, upper);
    let merged = block;
    if (lower?.free) {
      this.#buckets[bucketOf(lower.bytes)].delete(lower);
      this.#absorb(lower, block, false);
      merged = lower;
    }
    this.#buckets[bucketOf(merged.bytes)].add(merged);
  }

  #reuse(bytes: number): Block | undefined {
    const own = bucketOf(bytes);
    for (let i = own; i < this.#buckets.length; i++) {
      for (const block of this.#buckets[i]) {
        // Only the first bucket holds blocks that may be too small.
        if (block.bytes < bytes) continue;
        this.#buckets[i].delete(block);
        this.#split(block, bytes);
        return block;
      }
    }
    return undefined;
  }

  #extend(bytes: number): Block | undefined {
    const last = this.#highest?.free ? this.#highest : undefined;
    const address = last ? last.address : this.#top;
    if (!this.#grow(address + bytes)) return undefined;
    this.#top = address + bytes;
    if (last) {
      this.#buckets[bucketOf(last.bytes)].delete(last);
      last.bytes = bytes;
      return last;
    }
    const block: Block = { address, bytes, free: true, lower: this.#highest, upper: undefined };
    if (this.#highest) this.#highest.upper = block;
    this.#highest = block;
    return block;
  }

  #split(block: Block, bytes: number): void {
    const rest = block.bytes - bytes;
    if (rest === 0) return;
    const tail: Block = { address: block.address + bytes, bytes: rest, free: true, lower: block, upper: block.upper };
    if (block.upper) block.upper.lower = tail;
    else this.#highest = tail;
    block.upper = tail;
    block.bytes = bytes;
    this.#buckets[bucketOf(rest)].add(tail);
  }

  /** Joins `upper` to `lower`. */
  #absorb(lower: Block, upper: Block, listed = true): void {
    if (listed) this.#buckets[bucketOf(upper.bytes)].delete(upper);
    lower.bytes += upper.bytes;
    lower.upper = upper.upper;
    if (upper.upper) upper.upper.lower = lower;
    else this.#highest = lower;
  }
}
