import { LimitError } from '@linattn/math';
import { usage } from './flags.ts';

/** A GPU buffer with what the pool knows of it: the handle behind every tensor of this backend. */
export interface Buffer {
  gpu: GPUBuffer;
  id: number;
  readonly bytes: number;
  /** Its first byte in `gpu`: 0 but for parts. */
  readonly offset: number;
  /** The buffer that it is a part of. */
  readonly whole?: Buffer;
  /** The buffer that it is a view of: for launches only, never given back. */
  readonly of?: Buffer;
  /** The submission that the last recorded use belongs to. */
  usedAt: number;
  /** The submission that it was taken in, if none of the commands recorded for it then were of an owner before. */
  takenAt: number;
  /** Somebody else's memory: never pooled, never destroyed. */
  foreign: boolean;
  /** Parts that were not given back. */
  parts?: number;
}

/**
 * Some bytes of a buffer, to be bound in its place.
 * @param offset a multiple of what a binding may begin at.
 */
export const view = (of: Buffer, offset: number, bytes: number): Buffer => ({
  ...of,
  of,
  offset: of.offset + offset,
  bytes,
});

/** What a binding may begin at, in bytes: the most that the standard allows a device to ask for. */
export const bindingAlignment = 256;

/** Submissions after which a buffer that nobody asked for is given back to the device. */
const patience = 256;

interface TakeOptions {
  readonly fresh?: boolean;
  readonly inViews?: boolean;
}

/** Buffers by size. A warm step finds all it needs here and allocates nothing. */
export class BufferPool {
  readonly #device: GPUDevice;
  readonly #free = new Map<number, Buffer[]>();
  readonly #live = new Set<Buffer>();
  /** Buffers without memory of their own that were given back since the last submission. */
  #left: Buffer[] = [];
  #pooledBytes = 0;
  #liveBytes = 0;
  #peakBytes = 0;
  #nextId = 0;
  /** Counts submissions; the recorder advances it. */
  submission = 0;
  /** What the kernel that runs has taken so far. */
  #taken: Buffer[] = [];
  /** Called before a buffer is destroyed. */
  onDestroy: (buffer: Buffer) => void = () => {};

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  /**
   * A buffer of at least `bytes`, contents undefined.
   * @param options `fresh`: only one that no command recorded since the last submission uses: the host may write it at once.
   * `inViews`: launches bind views of it, so that it may be larger than a binding.
   * @throws LimitError naming the device's limit.
   */
  take(what: string, bytes: number, { fresh = false, inViews = false }: TakeOptions = {}): Buffer {
    const size = roundUp(bytes);
    const { maxBufferSize, maxStorageBufferBindingSize } = this.#device.limits;
    if (bytes > maxStorageBufferBindingSize && !inViews)
      throw new LimitError(
        what,
        bytes,
        "the device's maxStorageBufferBindingSize in bytes",
        maxStorageBufferBindingSize,
      );
    if (bytes > maxBufferSize) throw new LimitError(what, bytes, "the device's maxBufferSize in bytes", maxBufferSize);
    const list = this.#free.get(size);
    const at = fresh ? (list?.findIndex((buffer) => buffer.usedAt < this.submission) ?? -1) : (list?.length ?? 0) - 1;
    if (list && at >= 0) {
      const [buffer] = list.splice(at, 1);
      this.#pooledBytes -= size;
      this.#enter(buffer, fresh);
      return buffer;
    }
    const { STORAGE, COPY_SRC, COPY_DST } = usage;
    const gpu = this.#device.createBuffer({ size, usage: STORAGE | COPY_SRC | COPY_DST });
    const buffer = { gpu, id: this.#nextId++, bytes: size, offset: 0, usedAt: -1, takenAt: 0, foreign: false };
    this.#enter(buffer, fresh);
    return buffer;
  }

  /** Runs a kernel; what it took goes back if it throws. */
  attempt<T>(kernel: () => T): T {
    this.#taken = [];
    try {
      return kernel();
    } catch (error) {
      for (const buffer of this.#taken) this.give(buffer);
      throw error;
    } finally {
      this.#taken = [];
    }
  }

  /** Shows memory of somebody else's; not counted in bytes. */
  adopt(gpu: GPUBuffer): Buffer {
    const { submission: takenAt } = this;
    const buffer = { gpu, id: this.#nextId++, bytes: gpu.size, offset: 0, usedAt: -1, takenAt, foreign: true };
    this.#live.add(buffer);
    return buffer;
  }

  /**
   * Cuts a buffer in parts, which are then all that there is of it: its memory goes back with the last of them.
   * @param lengths bytes of each, multiples of what a binding may begin at (256).
   */
  cut(whole: Buffer, lengths: readonly number[]): Buffer[] {
    this.#live.delete(whole);
    whole.parts = lengths.length;
    let end = 0;
    return lengths.map((bytes) => {
      const offset = end;
      end += bytes;
      const { gpu } = whole;
      const part = { gpu, id: this.#nextId++, bytes, whole, offset, usedAt: -1, takenAt: -1, foreign: false };
      this.#live.add(part);
      return part;
    });
  }

  /**
   * Puts somebody else's memory in the place of a buffer that commands are recorded for, so that they write there. False where some of
   * them may have been submitted, or belong to a former use of it.
   */
  redirect(buffer: Buffer, gpu: GPUBuffer): boolean {
    if (buffer.takenAt !== this.submission || buffer.foreign || !this.#live.has(buffer)) return false;
    // Its memory is pooled under another handle: this one is in the recorded commands.
    this.#shelve({ ...buffer });
    Object.assign(buffer, { gpu, id: this.#nextId++, foreign: true });
    return true;
  }

  #enter(buffer: Buffer, fresh: boolean): void {
    // What the host writes at once is there before any command.
    buffer.takenAt = fresh || buffer.usedAt === this.submission ? -1 : this.submission;
    this.#live.add(buffer);
    this.#taken.push(buffer);
    this.#liveBytes += buffer.bytes;
    this.#peakBytes = Math.max(this.#peakBytes, this.#liveBytes + this.#pooledBytes);
  }

  give(buffer: Buffer): void {
    if (!this.#live.delete(buffer)) return;
    const { whole } = buffer;
    if (!whole && !buffer.foreign) {
      this.#shelve(buffer);
      return;
    }
    this.#left.push(buffer);
    if (!whole) return;
    whole.usedAt = Math.max(whole.usedAt, buffer.usedAt);
    if (--whole.parts! === 0) this.#shelve(whole);
  }

  #shelve(buffer: Buffer): void {
    this.#liveBytes -= buffer.bytes;
    this.#pooledBytes += buffer.bytes;
    const list = this.#free.get(buffer.bytes);
    if (list) list.push(buffer);
    else this.#free.set(buffer.bytes, [buffer]);
  }

  /** Destroys pooled buffers that were not used for long; all of them with `age` 0. Call when nothing recorded is pending. */
  trim(age = patience): void {
    for (const buffer of this.#left) this.onDestroy(buffer);
    this.#left = [];
    for (const [size, list] of this.#free) {
      const kept = list.filter((buffer) => {
        if (this.submission - buffer.usedAt < age) return true;
        this.#destroy(buffer);
        this.#pooledBytes -= size;
        return false;
      });
      if (kept.length > 0) this.#free.set(size, kept);
      else this.#free.delete(size);
    }
  }

  #destroy(buffer: Buffer): void {
    this.onDestroy(buffer);
    if (!buffer.foreign) buffer.gpu.destroy();
  }

  memory(): { buffers: number; bytes: number; pooledBytes: number; peakBytes: number } {
    return {
      buffers: this.#live.size,
      bytes: this.#liveBytes,
      pooledBytes: this.#pooledBytes,
      peakBytes: this.#peakBytes,
    };
  }

  /** Starts a new measurement of the peak, from what is allocated now. */
  resetPeak(): void {
    this.#peakBytes = this.#liveBytes + this.#pooledBytes;
  }

  dispose(): void {
    for (const buffer of this.#live) this.#destroy(buffer);
    this.#live.clear();
    this.#liveBytes = 0;
    this.trim(Number.NEGATIVE_INFINITY);
  }
}

/** Sizes are multiples of 256 bytes (so vec4 access past the last element stays inside), small ones powers of two. */
function roundUp(bytes: number): number {
  if (bytes > 4096) return Math.ceil(bytes / 256) * 256;
  let size = 256;
  while (size < bytes) size *= 2;
  return size;
}
