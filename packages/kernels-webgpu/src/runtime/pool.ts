import { LimitError } from '@linattn/math';
import { usage } from './flags.ts';

/** A GPU buffer with what the pool knows of it: the handle behind every tensor of this backend. */
export interface Buffer {
  gpu: GPUBuffer;
  id: number;
  bytes: number;
  /** Its first byte in `gpu`. */
  offset: number;
  /** The buffer that this shows some bytes of. */
  of?: Buffer;
  /** The same, where it is cut into parts (`cut`) and this is one: memory goes back with the last of them. */
  whole?: Buffer;
  /** The submission that the last recorded use belongs to. */
  usedAt: number;
  /** The submission that it was taken in; -1 where the host may have written it since. */
  takenAt: number;
  /** Somebody else's memory: never pooled, never destroyed. */
  foreign: boolean;
  /** Parts that were not given back. */
  parts?: number;
  /** It holds float16, two numbers a word (see core/float16.ts), and not 32 bits a number. */
  half: boolean;
}

/**
 * Some bytes of a buffer, to be bound in its place; nothing to give back.
 * @param offset a multiple of `bindingAlignment`.
 */
export const view = (of: Buffer, offset: number, bytes: number): Buffer => ({
  ...of,
  of: of.of ?? of,
  offset: of.offset + offset,
  bytes,
});

/** What a binding may begin at, in bytes: the most that the standard allows a device to ask for. */
export const bindingAlignment = 256;

/** Submissions after which a buffer that nobody asked for is given back to the device, and a bind group let go. */
export const patience = 256;

interface TakeOptions {
  readonly fresh?: boolean;
  readonly inViews?: boolean;
}

/** Buffers by size. A warm step finds all it needs here and allocates nothing. */
export class BufferPool {
  readonly #device: GPUDevice;
  readonly #free = new Map<number, Buffer[]>();
  readonly #live = new Set<Buffer>();
  #pooledBytes = 0;
  #liveBytes = 0;
  #peakBytes = 0;
  #nextId = 0;
  /** Counts submissions; the recorder advances it. */
  submission = 0;
  /** What the kernel that runs has taken so far. */
  #taken: Buffer[] = [];

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
    const list = this.#free.get(size) ?? [];
    const found = fresh ? list.findIndex((buffer) => buffer.usedAt < this.submission) : 0;
    if (found >= 0 && found < list.length) {
      const [pooled] = list.splice(found, 1);
      this.#pooledBytes -= size;
      // Commands recorded for the owner before have the old handle.
      return this.#enter({ ...pooled }, fresh);
    }
    const { STORAGE, COPY_SRC, COPY_DST } = usage;
    const gpu = this.#device.createBuffer({ size, usage: STORAGE | COPY_SRC | COPY_DST });
    const id = this.#nextId++;
    const own = { gpu, id, bytes: size, offset: 0, usedAt: -1, takenAt: 0, foreign: false, half: false };
    return this.#enter(own, fresh);
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
    const id = this.#nextId++;
    const { submission: takenAt } = this;
    const buffer = { gpu, id, bytes: gpu.size, offset: 0, usedAt: -1, takenAt, foreign: true, half: false };
    this.#live.add(buffer);
    return buffer;
  }

  /**
   * Cuts a buffer in parts, which are then all that there is of it: its memory goes back with the last of them.
   * @param lengths bytes of each, multiples of `bindingAlignment`.
   */
  cut(whole: Buffer, lengths: readonly number[]): Buffer[] {
    this.#live.delete(whole);
    whole.parts = lengths.length;
    let end = 0;
    const parts = lengths.map((bytes) => {
      const part = { ...view(whole, end, bytes), whole, takenAt: -1 };
      end += bytes;
      this.#live.add(part);
      return part;
    });
    this.#taken.push(...parts);
    return parts;
  }

  /** Whether all recorded commands of a buffer wait to be submitted, so that they can be given other memory. */
  movable(buffer: Buffer): boolean {
    const { takenAt, foreign, of } = buffer;
    return takenAt === this.submission && !foreign && !of && this.#live.has(buffer);
  }

  /**
   * Puts somebody else's memory in the place of a buffer that commands are recorded for, so that they write there. False where it is
   * not movable.
   */
  redirect(buffer: Buffer, gpu: GPUBuffer): boolean {
    if (!this.movable(buffer)) return false;
    // Its memory is pooled under another handle: this one is in the recorded commands.
    this.#shelve({ ...buffer });
    Object.assign(buffer, { gpu, id: this.#nextId++, foreign: true });
    return true;
  }

  /** The same with a part of another buffer, which takes over its life. */
  move(buffer: Buffer, part: Buffer): void {
    this.#shelve({ ...buffer });
    this.#live.delete(part);
    Object.assign(buffer, part);
  }

  #enter(buffer: Buffer, fresh: boolean): Buffer {
    // How the owner before stored numbers says nothing of the next.
    buffer.half = false;
    buffer.takenAt = fresh ? -1 : this.submission;
    this.#live.add(buffer);
    this.#taken.push(buffer);
    this.#liveBytes += buffer.bytes;
    this.#peakBytes = Math.max(this.#peakBytes, this.#liveBytes + this.#pooledBytes);
    return buffer;
  }

  give(buffer: Buffer): void {
    if (!this.#live.delete(buffer)) return;
    const { whole, foreign } = buffer;
    if (whole) {
      if (--whole.parts! === 0) this.#shelve(whole);
    } else if (!foreign) this.#shelve(buffer);
  }

  /**
   * Lists are in the order of ids, and taken from the beginning: so work that takes and gives the same every time, as the steps of a training do,
   * gets the same buffers every time, and finds its bind groups.
   */
  #shelve(buffer: Buffer): void {
    this.#liveBytes -= buffer.bytes;
    this.#pooledBytes += buffer.bytes;
    const list = this.#free.get(buffer.bytes);
    if (list) list.splice(1 + list.findLastIndex(({ id }) => id < buffer.id), 0, buffer);
    else this.#free.set(buffer.bytes, [buffer]);
  }

  /** Destroys pooled buffers that were not used for long; all of them with `age` 0. Call when nothing recorded is pending. */
  trim(age = patience): void {
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
