import { type BackendMemory, DeviceError, LinattnError } from '@linattn/math';
import { Buffer } from '../buffer.ts';
import type { GpuInstance, Gpujs, GpuKernel, GpuResident } from '../gpujs.ts';
import { mathTexts } from '../math-text.ts';
import { type Extents, keyOf, type Program, volume } from '../program.ts';
import { blocksOf, type Dialect, sourceOf, threadLayouts } from '../source.ts';
import { quotient } from '../strides.ts';
import { checkMode, checkSizes, createKernel, destroyKernel } from './compile.ts';
import type { Device } from './device.ts';
import { Cache } from './kernel-cache.ts';
import { Queue } from './queue.ts';

export type ResidentMode = 'webgpu' | 'webgl2' | 'headlessgl';

export interface ResidentOptions {
  readonly mode: ResidentMode;
  /** Kernels kept compiled. */
  readonly maxKernels: number;
}

const gl: Dialect = {
  threads: threadLayouts.texture,
  rowsPerThread: 1,
  math: mathTexts.gpu,
  floatIndexes: true,
};
const dialects: Record<ResidentMode, Dialect> = {
  webgpu: { threads: threadLayouts.workgroups, rowsPerThread: 4, math: mathTexts.gpu, floatIndexes: false },
  webgl2: gl,
  headlessgl: gl,
};

interface Compiled {
  readonly kernel: GpuKernel;
  readonly blocked: boolean;
}

/**
 * The modes whose results stay on a device, as textures or WebGPU buffers. Calls wait in a queue: gpu.js's webgpu mode is
 * asynchronous, and two of its chains at once would corrupt each other.
 */
export class ResidentDevice implements Device {
  readonly mode: ResidentMode;
  readonly hostArrays = false;
  readonly #gpu: GpuInstance;
  readonly #input: Gpujs['input'];
  readonly #kernels: Cache<Compiled>;
  readonly #queue = new Queue((error) => this.#fail(typed(error, `mode ${this.mode}`)));
  /** The first failure that no read has told of yet. */
  #failure: Error | undefined;
  readonly #live = new Set<Buffer>();
  readonly #onDeviceError = (event: Event): void => {
    const { error } = event as GPUUncapturedErrorEvent;
    this.#fail(new DeviceError(`WebGPU: ${error.message}`, { cause: error }));
  };
  #listening: EventTarget | undefined;
  #bytes = 0;

  constructor({ GPU, input }: Gpujs, { mode, maxKernels }: ResidentOptions) {
    this.mode = mode;
    this.#gpu = new GPU({ mode });
    this.#input = input;
    this.#kernels = new Cache(maxKernels, Number.POSITIVE_INFINITY, ({ kernel }) => destroyKernel(this.#gpu, kernel));
  }

  get kernelCount(): number {
    return this.#kernels.size;
  }

  allocate(size: number): Float32Array {
    return new Float32Array(size);
  }

  upload(values: Float32Array, keep = false): Buffer {
    const { length } = values;
    return this.#record(identity(length), [], keep ? values : undefined, () => [this.#input(values, [length, 1, 1])]);
  }

  run(program: Program, inputs: readonly Buffer[], numbers: readonly number[] = []): Buffer {
    checkSizes(program, inputs);
    const extents = Object.values(program.inputs);
    return this.#record(program, inputs, undefined, () => [
      ...inputs.map(({ value }, i) => shownAs(value as GpuResident, extents[i])),
      ...numbers,
    ]);
  }

  release(buffer: Buffer): void {
    // After dispose() nothing is live.
    if (!this.#live.delete(buffer)) return;
    this.#bytes -= 4 * buffer.size;
    this.#queue.add(() => {
      (buffer.value as GpuResident | undefined)?.delete();
      buffer.value = undefined;
    });
  }

  read(buffer: Buffer): Promise<Float32Array> {
    return this.#queue.after(async () => {
      const failure = buffer.error ?? this.#failure;
      this.#failure = undefined;
      if (failure) throw failure;
      try {
        return await this.#numbersOf(buffer);
      } catch (cause) {
        throw typed(cause, `mode ${this.mode}: reading failed`);
      }
    });
  }

  memory(): BackendMemory {
    return { buffers: this.#live.size, bytes: this.#bytes, pooledBytes: 0 };
  }

  dispose(): Promise<void> {
    return this.#queue.after(async () => {
      for (const { value } of this.#live) (value as GpuResident | undefined)?.delete();
      this.#live.clear();
      this.#bytes = 0;
      this.#kernels.clear();
      this.#listening?.removeEventListener('uncapturederror', this.#onDeviceError);
      await this.#gpu.destroy();
    });
  }

  /** Queues one kernel call; `argumentsOf` is asked when its turn has come. */
  #record(
    program: Program,
    inputs: readonly Buffer[],
    host: Float32Array | undefined,
    argumentsOf: () => readonly unknown[],
  ): Buffer {
    const out = new Buffer(volume(program.output), host);
    this.#live.add(out);
    this.#bytes += 4 * out.size;
    this.#queue.add(async () => {
      out.error = inputs.find(({ error }) => error)?.error;
      if (out.error) return;
      try {
        out.value = await this.#execute(program, argumentsOf());
      } catch (cause) {
        out.error = typed(cause, `${program.name}: gpu.js could not run it in mode ${this.mode}`);
        this.#fail(out.error);
      }
    });
    return out;
  }

  async #execute(program: Program, args: readonly unknown[]): Promise<GpuResident> {
    const { kernel, blocked } = this.#compiled(program);
    const result = (await kernel(...args)) as GpuResident;
    checkMode(kernel, this.mode, program.name);
    this.#listen(result);
    letGo(kernel, result);
    if (!blocked) return result;
    const [width, rows, depth] = program.output;
    const unblocked = await this.#execute(unblock(program.output), [
      shownAs(result, [4 * width, blocksOf(rows), depth]),
    ]);
    result.delete();
    return unblocked;
  }

  #compiled(program: Program): Compiled {
    const key = keyOf(program);
    const known = this.#kernels.get(key);
    if (known) return known;
    const source = sourceOf(program, dialects[this.mode]);
    // An immutable pipeline gives every call a result of its own; GL arguments come in textures of many sizes.
    const kernel = createKernel(this.#gpu, source, {
      pipeline: true,
      immutable: true,
      ...(this.mode === 'webgpu' ? {} : { dynamicArguments: true, tactic: 'precision' }),
    });
    const compiled = { kernel, blocked: source.blocked };
    this.#kernels.set(key, compiled, 1);
    return compiled;
  }

  #fail(error: Error): void {
    this.#failure ??= error;
  }

  /** WebGPU tells of what goes wrong on the device (memory that runs out, say) by an event, which gpu.js only prints. */
  #listen({ context }: GpuResident): void {
    if (this.#listening || !context?.device?.addEventListener) return;
    this.#listening = context.device;
    this.#listening.addEventListener('uncapturederror', this.#onDeviceError);
  }

  async #numbersOf({ value, size }: Buffer): Promise<Float32Array> {
    const shown = shownAs(value as GpuResident, [size, 1, 1]);
    if (shown.context?.isContextLost?.()) throw new DeviceError('the WebGL context was lost, and all tensors with it');
    if (shown.renderRawOutput) {
      // A texture is read as RGBA, of which gpu.js uses the red.
      const pixels = shown.renderRawOutput();
      return Float32Array.from({ length: size }, (_, i) => pixels[4 * i]);
    }
    return Float32Array.from((await shown.toArray()) as Float32Array);
  }
}

/** A WebGPU kernel would hold its last result until its next call, beside whoever asked for it: it lets go here. */
function letGo({ kernel }: GpuKernel, { buffer }: GpuResident): void {
  if (!buffer?._refs || buffer._refs < 2 || kernel.outputBuffer !== buffer) return;
  buffer._refs--;
  kernel.outputBuffer = null;
  kernel.bindGroupDirty = true;
}

/** The same result under other extents: kernels index an argument by those it comes with. */
function shownAs(resident: GpuResident, extents: Extents): GpuResident {
  const view = Object.assign(Object.create(Object.getPrototypeOf(resident)) as GpuResident, resident);
  view.output = extents[1] === 1 && extents[2] === 1 ? [extents[0]] : extents;
  if (resident.dimensions) view.dimensions = extents;
  else view.componentCount = 1;
  return view;
}

const identity = (size: number): Program => ({
  name: 'upload',
  inputs: { a: [size, 1, 1] },
  output: [size, 1, 1],
  body: ({ x }) => `return a[${x}];`,
});

/** [z][block][x][4] into rows, where the last block has moved up. */
function unblock([width, rows, depth]: Extents): Program {
  const blocks = blocksOf(rows);
  const whole = 4 * Math.floor(rows / 4);
  return {
    name: `unblock ${rows}`,
    inputs: { a: [4 * width, blocks, depth] },
    output: [width, rows, depth],
    body: ({ x, y, z, integer }) => `
      ${integer('block', quotient(y, 4))} ${integer('lane', `${y}-block*4`)}
      ${whole < rows ? `if (${y}>=${whole}) { lane=${y}-${rows - 4}; }` : ''}
      return a[${z}][block][${x}*4+lane];`,
  };
}

const typed = (cause: unknown, what: string): Error =>
  cause instanceof LinattnError ? cause : new DeviceError(`${what}: ${String(cause)}`, { cause });
