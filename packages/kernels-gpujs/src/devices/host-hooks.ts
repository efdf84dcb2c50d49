import type { GpuKernel, KernelInternals } from '../gpujs.ts';
import type { Program } from '../program.ts';
import { type Source, unblock } from '../source.ts';
import type { RunInto } from './host.ts';

// gpu.js allocates every result afresh: as arrays of arrays in the cpu mode, as a copy cut into rows in webasm. These hooks
// into its private parts write into arrays of ours instead. Each returns undefined where the parts are not as expected
// (another version): the public way, slower and with garbage, then stays in use.

/**
 * cpu: replaces the loops around a kernel's text by ones that write rows of `out`. Before the first call.
 */
export function writeRowsDirectly(
  kernel: GpuKernel,
  call: (inputs: readonly Float32Array[], numbers: readonly number[]) => unknown,
): RunInto | undefined {
  const internals = kernel.kernel as KernelInternals & { linattnOut?: Float32Array };
  if (typeof internals._resultKernelBody !== 'function') return undefined;
  internals._resultKernelBody = (text) => `
    const [outputX, outputY, outputZ] = _this.output;
    const out = _this.linattnOut;
    for (let z = 0, at = 0; z < outputZ; z++) {
      this.thread.z = z;
      for (let y = 0; y < outputY; y++, at += outputX) {
        this.thread.y = y;
        const resultX = out.subarray(at, at + outputX);
        for (let x = 0; x < outputX; x++) {
          this.thread.x = x;
          ${text}
        }
      }
    }
    return out;`;
  return (inputs, numbers, out) => {
    internals.linattnOut = out;
    call(inputs, numbers);
    internals.linattnOut = undefined;
  };
}

/** webasm: copies into and out of the kernel's own memory around its exported loop. After the first call. */
export function writeDirectly({ kernel }: GpuKernel, program: Program, source: Source): RunInto | undefined {
  const active = kernel._active;
  const { dispatchSpans } = kernel.constructor;
  if (!active || typeof dispatchSpans !== 'function' || typeof active.run !== 'function') return undefined;
  const { layout, cells, run, runSimd } = active;
  const names = Object.keys(program.inputs);
  const offsets = [
    ...names.map((name) => layout?.arrays?.[name]?.offset),
    ...(program.numbers ?? []).map((name) => layout?.scalars?.[name]?.offset),
  ];
  const [width, blocks, depth] = source.output;
  const known =
    active.f32 instanceof Float32Array &&
    offsets.every((offset) => Number.isInteger(offset)) &&
    Number.isInteger(layout.outputOffset) &&
    cells === width * blocks * depth;
  if (!known) return undefined;
  const starts = offsets.map((offset) => offset / 4);
  const start = layout.outputOffset / 4;
  return (inputs, numbers, out) => {
    // Asked for at every call: a memory that grows moves.
    const { f32 } = active;
    for (let i = 0; i < inputs.length; i++) f32.set(inputs[i], starts[i]);
    for (let i = 0; i < numbers.length; i++) f32[starts[inputs.length + i]] = numbers[i];
    dispatchSpans(run, runSimd, cells, width, 0);
    if (source.blocked) unblock(f32, start, out, program.output);
    else out.set(f32.subarray(start, start + out.length));
  };
}
