import { DeviceError, LimitError } from '@linattn/math';
import { mapRead, usage } from './flags.ts';
import { untilMapped } from './mapping.ts';
import { type Buffer, type BufferPool, patience } from './pool.ts';
import { type Compiled, type Program, type ProgramCache, paramBytes } from './program.ts';

interface Dispatch {
  readonly program: Compiled;
  readonly buffers: readonly Buffer[];
  readonly grid: Grid;
}

/** Workgroups along x, y and z. */
export type Grid = readonly [number, number?, number?];

/** Dispatches that are recorded before work goes to the device without being asked to. */
const capacity = 4096;
const words = paramBytes / 4;

/** Called while pipelines compile, with how many of those needed now are ready. */
export type CompileProgress = (done: number, total: number) => void;

/** What one dispatch, or a whole submission, took on the device. */
export interface Timing {
  readonly name: string;
  readonly milliseconds: number;
}

/**
 * Dispatches in the order they were recorded. Nothing reaches the device before `submit`, so that pipelines compile side by side, off
 * the thread, and a training step is one submission.
 */
export class Recorder {
  readonly #device: GPUDevice;
  readonly #pool: BufferPool;
  readonly #programs: ProgramCache;
  readonly #onCompile: CompileProgress | undefined;
  readonly #params = new Uint32Array(capacity * words);
  readonly #uniforms: GPUBuffer;
  #queue: Dispatch[] = [];

  constructor(device: GPUDevice, pool: BufferPool, programs: ProgramCache, onCompile?: CompileProgress) {
    this.#device = device;
    this.#pool = pool;
    this.#programs = programs;
    this.#onCompile = onCompile;
    const { UNIFORM, COPY_DST } = usage;
    this.#uniforms = device.createBuffer({
      label: 'parameters',
      size: capacity * paramBytes,
      usage: UNIFORM | COPY_DST,
    });
  }

  /**
   * Records one kernel. `params` are u32 words (`bits` for floats) in the order of the shader's Params; `buffers` go to bindings 1, 2, …
   * @throws LimitError when the grid is over what the device dispatches, or a buffer over what it binds.
   */
  run(program: Program, buffers: readonly Buffer[], params: readonly number[], grid: Grid): void {
    const { maxComputeWorkgroupsPerDimension: most, maxStorageBufferBindingSize: mostBytes } = this.#device.limits;
    for (const count of grid) {
      if (count! > most)
        throw new LimitError(program.name, count!, "the device's maxComputeWorkgroupsPerDimension", most);
    }
    for (const { bytes } of buffers) {
      if (bytes > mostBytes)
        throw new LimitError(program.name, bytes, "the device's maxStorageBufferBindingSize in bytes", mostBytes);
    }
    if (this.#queue.length === capacity) this.submitNow();
    this.#params.set(params, this.#queue.length * words);
    for (const buffer of buffers) (buffer.of ?? buffer).usedAt = this.#pool.submission;
    this.#queue.push({ program: this.#programs.get(program), buffers, grid });
  }

  get pending(): number {
    return this.#queue.length;
  }

  /** Those of some buffers that may become parts of one: no recorded launch reads one and writes another, or sees a part of one. */
  joinable(buffers: Iterable<Buffer>): Set<Buffer> {
    const left = new Set(buffers);
    for (const { program, buffers: bound } of this.#queue) {
      for (const { of } of bound) if (of) left.delete(of);
      const own = bound.flatMap((buffer, i) => (left.has(buffer) ? [{ buffer, writes: program.writes[i] }] : []));
      if (new Set(own.map(({ writes }) => writes)).size < 2) continue;
      for (const { buffer, writes } of own) if (!writes) left.delete(buffer);
    }
    return left;
  }

  /** Compiles what the recorded work still needs, then submits it. */
  async submit(): Promise<void> {
    for (;;) {
      const missing = [...new Set(this.#queue.map(({ program }) => program))].filter(({ pipeline }) => !pipeline);
      if (missing.length === 0) break;
      let done = 0;
      this.#onCompile?.(0, missing.length);
      await this.#compiled(
        missing.map(async (program) => {
          await this.#programs.compileAsync(program);
          this.#onCompile?.(++done, missing.length);
        }),
      );
    }
    this.submitNow();
  }

  /** Waits for pipelines. Work that one of them cannot be had for is dropped: it would fail again with every later read. */
  async #compiled(pipelines: readonly Promise<void>[]): Promise<void> {
    try {
      await Promise.all(pipelines);
    } catch (cause) {
      this.#queue = [];
      throw new DeviceError(`a kernel does not compile here: ${String(cause)}`, { cause });
    }
  }

  /** Submits at once; compiles in place what is missing. */
  submitNow(): void {
    if (this.#queue.length === 0) return;
    const encoder = this.#device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    this.#encode(pass, 0, this.#queue.length);
    pass.end();
    this.#send(encoder);
  }

  /** Submits with timestamps: the whole, or every dispatch in a pass of its own. Needs the feature `timestamp-query`. */
  async submitTimed(each: boolean): Promise<Timing[]> {
    await this.#compiled(this.#queue.map(({ program }) => this.#programs.compileAsync(program)));
    const spans = each ? this.#queue.length : 1;
    const names = each ? this.#queue.map(({ program }) => program.name) : ['total'];
    const querySet = this.#device.createQuerySet({ type: 'timestamp', count: 2 * spans });
    const { QUERY_RESOLVE, COPY_SRC, COPY_DST, MAP_READ } = usage;
    const resolved = this.#device.createBuffer({ size: 16 * spans, usage: QUERY_RESOLVE | COPY_SRC });
    const staging = this.#device.createBuffer({ size: 16 * spans, usage: COPY_DST | MAP_READ });
    const encoder = this.#device.createCommandEncoder();
    for (let span = 0; span < spans; span++) {
      const pass = encoder.beginComputePass({
        timestampWrites: { querySet, beginningOfPassWriteIndex: 2 * span, endOfPassWriteIndex: 2 * span + 1 },
      });
      if (each) this.#encode(pass, span, span + 1);
      else this.#encode(pass, 0, this.#queue.length);
      pass.end();
    }
    encoder.resolveQuerySet(querySet, 0, 2 * spans, resolved, 0);
    encoder.copyBufferToBuffer(resolved, 0, staging, 0, 16 * spans);
    this.#send(encoder);
    await untilMapped(this.#device.queue, staging.mapAsync(mapRead));
    const ticks = new BigInt64Array(staging.getMappedRange().slice(0));
    for (const made of [resolved, staging, querySet]) made.destroy();
    return names.map((name, i) => ({ name, milliseconds: Number(ticks[2 * i + 1] - ticks[2 * i]) / 1e6 }));
  }

  #encode(pass: GPUComputePassEncoder, start: number, end: number): void {
    let last: Compiled | undefined;
    for (let i = start; i < end; i++) {
      const { program, buffers, grid } = this.#queue[i];
      if (program !== last) pass.setPipeline(this.#programs.compileNow(program));
      last = program;
      pass.setBindGroup(0, this.#bindGroup(program, buffers), [i * paramBytes]);
      pass.dispatchWorkgroups(grid[0], grid[1], grid[2]);
    }
  }

  #send(encoder: GPUCommandEncoder): void {
    const { queue } = this.#device;
    queue.writeBuffer(this.#uniforms, 0, this.#params, 0, this.#queue.length * words);
    queue.submit([encoder.finish()]);
    this.#queue = [];
    this.#pool.submission++;
    if (this.#pool.submission % patience === 0) this.#programs.age();
    this.#pool.trim();
  }

  #bindGroup(program: Compiled, buffers: readonly Buffer[]): GPUBindGroup {
    return this.#programs.bindGroup(program, buffers.map(keyOf).join(' '), () => [
      { binding: 0, resource: { buffer: this.#uniforms, size: paramBytes } },
      ...buffers.map(({ gpu, of, offset, bytes }, i) => ({
        binding: i + 1,
        // What a view is of may have got other memory since (BufferPool.redirect).
        resource: { buffer: of?.gpu ?? gpu, offset, size: of && bytes },
      })),
    ]);
  }

  dispose(): void {
    this.#queue = [];
    this.#uniforms.destroy();
  }
}

const keyOf = ({ id, of, offset, bytes }: Buffer): string => (of ? `${of.id}@${offset}+${bytes}` : String(id));

const scratch = new DataView(new ArrayBuffer(4));

/** A float32's bits, to be a parameter. */
export function bits(value: number): number {
  scratch.setFloat32(0, value);
  return scratch.getUint32(0);
}
