import { computeStage } from './flags.ts';
import { type Constants, specialize } from './specialize.ts';
import { withSubgroups } from './subgroups.ts';

/** A kernel's text with the sizes it is made for. */
export interface Program {
  readonly name: string;
  readonly source: string;
  readonly constants: Constants;
  /** Declarations put before the source: the ways to load and store rows, say. */
  readonly declarations?: string;
  /** What must come before all else: extensions of WGSL. */
  readonly directives?: string;
}

/** A program on a device: its layout at once, its pipeline when compiled. */
export interface Compiled {
  readonly name: string;
  /** Of each buffer whether the program may write it. */
  readonly writes: readonly boolean[];
  readonly bindGroupLayout: GPUBindGroupLayout;
  readonly descriptor: GPUComputePipelineDescriptor;
  /** By the buffers that they show: those of the time since `age` was called, and of the time before. */
  bindGroups: Map<string, GPUBindGroup>;
  olderGroups: Map<string, GPUBindGroup>;
  pipeline?: GPUComputePipeline;
  pending?: Promise<void>;
}

/** Bytes of parameters a dispatch may have, and the step between two in the uniform buffer. */
export const paramBytes = 256;

const storage = /@binding\((\d+)\)\s*var<storage,\s*(read|read_write)>/g;

/** Compiled programs by name and constants. */
export class ProgramCache {
  readonly #device: GPUDevice;
  readonly #compiled = new Map<string, Compiled>();

  readonly #unrolled: boolean;

  constructor(device: GPUDevice, unrolled: boolean) {
    this.#device = device;
    this.#unrolled = unrolled;
  }

  get(program: Program): Compiled {
    const key = `${program.name} ${Object.values(program.constants).join(' ')}`;
    const known = this.#compiled.get(key);
    if (known) return known;
    const made = this.#make(program);
    this.#compiled.set(key, made);
    return made;
  }

  #make({ name, source, constants, declarations = '', directives = '' }: Program): Compiled {
    const text = specialize(`${declarations}\n${source}`, constants, this.#unrolled);
    const code = withSubgroups(directives + text, this.#device.features.has('subgroups'));
    const entries: GPUBindGroupLayoutEntry[] = [
      {
        binding: 0,
        visibility: computeStage,
        buffer: { type: 'uniform', hasDynamicOffset: true, minBindingSize: paramBytes },
      },
    ];
    const writes: boolean[] = [];
    for (const [, number, access] of code.matchAll(storage)) {
      const binding = Number(number);
      writes[binding - 1] = access !== 'read';
      entries.push({
        binding,
        visibility: computeStage,
        buffer: { type: writes[binding - 1] ? 'storage' : 'read-only-storage' },
      });
    }
    const bindGroupLayout = this.#device.createBindGroupLayout({ label: name, entries });
    const layout = this.#device.createPipelineLayout({ label: name, bindGroupLayouts: [bindGroupLayout] });
    const module = this.#device.createShaderModule({ label: name, code });
    const descriptor = { label: name, layout, compute: { module, entryPoint: 'main' } };
    return { name, writes, bindGroupLayout, descriptor, bindGroups: new Map(), olderGroups: new Map() };
  }

  /** Starts compiling without blocking. */
  compileAsync(program: Compiled): Promise<void> {
    program.pending ??= this.#device.createComputePipelineAsync(program.descriptor).then((pipeline) => {
      program.pipeline = pipeline;
    });
    return program.pending;
  }

  compileNow(program: Compiled): GPUComputePipeline {
    program.pipeline ??= this.#device.createComputePipeline(program.descriptor);
    return program.pipeline;
  }

  /** A bind group of a program, made once for a key. */
  bindGroup(program: Compiled, key: string, entries: () => GPUBindGroupEntry[]): GPUBindGroup {
    const known = program.bindGroups.get(key);
    if (known) return known;
    const found =
      program.olderGroups.get(key) ??
      this.#device.createBindGroup({ layout: program.bindGroupLayout, entries: entries() });
    program.bindGroups.set(key, found);
    return found;
  }

  /** Lets go of bind groups that were not used since the call before: what they show may be gone. (No buffer gets another's id.) */
  age(): void {
    for (const program of this.#compiled.values()) {
      program.olderGroups = program.bindGroups;
      program.bindGroups = new Map();
    }
  }

  get size(): number {
    return this.#compiled.size;
  }
}
