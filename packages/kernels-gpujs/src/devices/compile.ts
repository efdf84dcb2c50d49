import { DeviceError, ShapeError } from '@linattn/math';
import type { Buffer } from '../buffer.ts';
import type { GpuInstance, GpuKernel, GpuKernelSettings } from '../gpujs.ts';
import { type Program, volume } from '../program.ts';
import type { Source } from '../source.ts';

/** Argument-bounded loops are cut silently at 1,000 unless told otherwise. */
const loopMaxIterations = 1 << 24;

export function createKernel(
  gpu: GpuInstance,
  { text, output }: Source,
  settings: Partial<GpuKernelSettings> = {},
): GpuKernel {
  return gpu.createKernel(text, { output, precision: 'single', loopMaxIterations, ...settings });
}

/** gpu.js falls back to its cpu mode with no more than a warning: makes that an error, after the first call. */
export function checkMode(kernel: GpuKernel, mode: string, name: string): void {
  const ran = kernel.kernel.constructor.mode;
  const { fallbackReason } = kernel.kernel;
  // All kernels on WebGL say that they are `gpu`.
  const expected = mode === 'webgl2' || mode === 'headlessgl' ? 'gpu' : mode;
  if (fallbackReason || (ran !== undefined && ran !== expected)) {
    throw new DeviceError(
      `${name}: gpu.js ran in mode ${ran ?? 'unknown'} instead of ${mode}: ${fallbackReason ?? ''}`,
      {
        given: ran,
        expected: mode,
      },
    );
  }
}

/** Destroys a kernel; in the cpu mode gpu.js itself would keep it in its list for ever. */
export function destroyKernel(gpu: GpuInstance, kernel: GpuKernel): void {
  const { kernel: internals } = kernel;
  internals.destroy();
  const at = gpu.kernels.indexOf(internals);
  if (at >= 0) gpu.kernels.splice(at, 1);
}

/** gpu.js reads stale numbers or a neighbour's, silently, where an argument is shorter than its kernel was built for. */
export function checkSizes({ name, inputs }: Program, buffers: readonly Buffer[]): void {
  let i = 0;
  for (const argument in inputs) {
    const size = volume(inputs[argument]);
    if (buffers[i].size !== size) throw new ShapeError(`${name}: ${argument}`, buffers[i].size, `${size} elements`);
    i++;
  }
}
