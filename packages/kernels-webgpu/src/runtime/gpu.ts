import { DeviceError, type LinattnError, type Tensor } from '@linattn/math';
import { mapRead, usage } from './flags.ts';
import { untilMapped } from './mapping.ts';
import type { MatrixUnits } from './matrix-units.ts';
import { type Buffer, BufferPool } from './pool.ts';
import { type Program, ProgramCache } from './program.ts';
import { type CompileProgress, type Grid, Recorder, type Timing } from './recorder.ts';

const vec4Bytes = 16;

/** Knob that tests turn: bytes that a binding holds, where that is less than the device allows. */
export const bindingTuning = { bytes: Number.POSITIVE_INFINITY };

/** A device with its buffers, programs and recorded work: what kernels are written against. */
export class Gpu {
  readonly device: GPUDevice;
  readonly pool: BufferPool;
  readonly programs: ProgramCache;
  /** The adapter computes on the CPU: compiling is what costs, so kernels come in few and small variants. */
  readonly software: boolean;
  /** Invocations must not store into the same vector of workgroup memory. */
  readonly wholeVectors: boolean;
  /** Attention's products are made on these. */
  readonly matrix: MatrixUnits | undefined;
  /** Bound where a kernel reads nothing. */
  readonly nothing: Buffer;
  /** Bound where a kernel writes nothing. */
  readonly scrap: Buffer;
  readonly #recorder: Recorder;
  readonly #staging = new Map<number, GPUBuffer[]>();
  /** Buffers, and not tensors, that live as long as the backend. */
  kept = 2;
  #failure: LinattnError | undefined;
  #lost: LinattnError | undefined;
  #disposed = false;

  constructor(
    device: GPUDevice,
    options: {
      readonly software: boolean;
      readonly wholeVectors: boolean;
      readonly matrix?: MatrixUnits;
      readonly onCompile?: CompileProgress;
    },
  ) {
    this.device = device;
    this.software = options.software;
    this.wholeVectors = options.wholeVectors;
    this.matrix = options.matrix;
    this.pool = new BufferPool(device);
    this.programs = new ProgramCache(device, !options.software);
    this.#recorder = new Recorder(device, this.pool, this.programs, options.onCompile);
    this.nothing = this.pool.take('nothing', 4);
    this.scrap = this.pool.take('scrap', 4);
    device.onuncapturederror = ({ error }) => {
      this.#failure ??= outOfMemory(error)
        ? new DeviceError(`the device is out of memory (${this.pool.memory().bytes} bytes in tensors)`, {
            cause: error,
          })
        : new DeviceError(`the device refused work: ${error.message}`, { cause: error });
    };
    void device.lost.then(({ reason, message }) => {
      if (this.#disposed) return;
      this.#lost = new DeviceError(
        `the device was lost (${reason}): ${message.replace(/\.$/, '')}. Open a new backend and go on from the last checkpoint`,
      );
    });
  }

  /** Most bytes that a launch binds of a buffer. */
  get bindingBytes(): number {
    return Math.min(bindingTuning.bytes, this.device.limits.maxStorageBufferBindingSize);
  }

  /** Throws what the device reported, or that this backend was disposed. */
  check(): void {
    const failure = this.#failure ?? this.#lost;
    // A failure spoils the work up to here; a lost device never comes back.
    this.#failure = undefined;
    if (failure) throw failure;
    if (this.#disposed) throw new DeviceError('this backend was disposed');
  }

  /** A buffer for `elements` 32-bit numbers; larger than a binding where launches bind views of it (`inViews`). */
  take(what: string, elements: number, options?: { readonly inViews: boolean }): Buffer {
    this.check();
    return this.pool.take(what, elements * 4, options);
  }

  /** Counts buffers that the backend holds for itself. */
  keep(buffers: number): void {
    this.kept += buffers;
  }

  give(...buffers: readonly (Buffer | undefined)[]): void {
    for (const buffer of buffers) if (buffer) this.pool.give(buffer);
  }

  run(program: Program, buffers: readonly Buffer[], params: readonly number[], grid: Grid): void {
    this.#recorder.run(program, buffers, params, grid);
  }

  upload(values: Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer>): Buffer {
    this.check();
    const buffer = this.pool.take('upload', values.byteLength, { fresh: true, inViews: true });
    this.device.queue.writeBuffer(buffer.gpu, 0, values);
    return buffer;
  }

  async download(buffer: Buffer, bytes: number): Promise<ArrayBuffer> {
    this.check();
    await this.#recorder.submit();
    const size = buffer.bytes;
    const staging = this.#staging.get(size)?.pop() ?? this.#newStaging(size);
    const encoder = this.device.createCommandEncoder();
    encoder.copyBufferToBuffer(buffer.gpu, buffer.offset, staging, 0, size);
    this.device.queue.submit([encoder.finish()]);
    try {
      await untilMapped(this.device.queue, staging.mapAsync(mapRead));
    } catch (cause) {
      // Device loss and errors of earlier work arrive with, or just after, the failed mapping.
      await new Promise((resolve) => setTimeout(resolve));
      this.check();
      throw new DeviceError('reading back from the device failed', { cause });
    }
    const copy = staging.getMappedRange(0, size).slice(0, bytes);
    staging.unmap();
    const list = this.#staging.get(size);
    if (list) list.push(staging);
    else this.#staging.set(size, [staging]);
    this.check();
    return copy;
  }

  #newStaging(size: number): GPUBuffer {
    return this.device.createBuffer({ size, usage: usage.MAP_READ | usage.COPY_DST });
  }

  submit(): Promise<void> {
    this.check();
    return this.#recorder.submit();
  }

  /**
   * Shows memory of somebody else's to kernels. Loads of four need whole vec4s: where the size has a rest, it is copied to a buffer of
   * our own.
   */
  adopt(gpu: GPUBuffer): Buffer {
    this.check();
    if (gpu.size % vec4Bytes === 0) return this.pool.adopt(gpu);
    const buffer = this.pool.take('copy', gpu.size, { fresh: true, inViews: true });
    this.#copy(gpu, 0, buffer.gpu, gpu.size);
    return buffer;
  }

  /**
   * Puts parts of another buffer in the place of buffers that recorded work makes, so that it makes them there. Gives the indices of
   * those where that cannot be.
   */
  join(buffers: readonly Buffer[], parts: readonly Buffer[]): number[] {
    const single = (buffer: Buffer): boolean => buffers.indexOf(buffer) === buffers.lastIndexOf(buffer);
    const joinable = this.#recorder.joinable(buffers.filter((each) => this.pool.movable(each) && single(each)));
    return buffers.flatMap((buffer, i) => {
      if (!joinable.has(buffer)) return [i];
      this.pool.move(buffer, parts[i]);
      return [];
    });
  }

  /** Submits the recorded work at once. Each buffer's numbers arrive in the memory beside it: computed there, where that is possible. */
  deliver(results: readonly (readonly [Buffer, GPUBuffer])[]): void {
    this.check();
    const copied = results.filter(([buffer, gpu]) => gpu.size % vec4Bytes !== 0 || !this.pool.redirect(buffer, gpu));
    this.#recorder.submitNow();
    for (const [buffer, gpu] of copied) this.#copy(buffer.gpu, buffer.offset, gpu, gpu.size);
  }

  #copy(from: GPUBuffer, offset: number, to: GPUBuffer, bytes: number): void {
    const encoder = this.device.createCommandEncoder();
    encoder.copyBufferToBuffer(from, offset, to, 0, bytes);
    this.device.queue.submit([encoder.finish()]);
  }

  submitTimed(each: boolean): Promise<Timing[]> {
    this.check();
    return this.#recorder.submitTimed(each);
  }

  dispose(): void {
    this.#disposed = true;
    this.#recorder.dispose();
    this.pool.dispose();
    for (const list of this.#staging.values()) for (const staging of list) staging.destroy();
    this.#staging.clear();
  }
}

const outOfMemory = (error: GPUError): boolean =>
  typeof GPUOutOfMemoryError !== 'undefined' && error instanceof GPUOutOfMemoryError;

/** What kernels need of a tensor: parts of one are such, too. */
export type Operand = Pick<Tensor, 'shape' | 'size' | 'handle'>;

/** The buffer behind a tensor. */
export const bufferOf = (tensor: Operand | undefined): Buffer => tensor!.handle as Buffer;

/** Workgroups for `count` items in a grid of two dimensions, `perGroup` items each; see `linear_id` in the shaders. */
export function gridOf(count: number, perGroup: number): Grid {
  const groups = Math.max(1, Math.ceil(count / perGroup));
  const x = Math.min(groups, 32_768);
  return [x, Math.ceil(groups / x)];
}
