import type { Kernel } from '@linattn/math';
import { reduce } from '../core/reduce.ts';
import { bufferOf, type Gpu } from '../runtime/gpu.ts';
import { many } from './many.ts';
import source from './squared-norm.wgsl?raw';

/** Elements a workgroup. */
const perGroup = 16_384;

/** Σ x² over all tensors, as many a launch as a shader binds. */
export function squaredNorm(gpu: Gpu): Kernel<Record<never, never>> {
  const tensors = many(gpu, 1, perGroup);
  const { count, declarations } = tensors;
  const program = { name: 'squaredNorm', source, constants: { COUNT: count }, declarations };
  return (inputs) => {
    const total = inputs.reduce((sum, input) => sum + Math.ceil(input!.size / perGroup), 0);
    const sums = gpu.take('squaredNorm', total);
    let start = 0;
    for (let i = 0; i < inputs.length; i += count) {
      const part = inputs.slice(i, i + count);
      const { segments, workgroups, grid } = tensors.table(part.map((input) => input!.size));
      gpu.run(program, [sums, ...tensors.bound(part.map(bufferOf))], [start, workgroups, 0, 0, ...segments], grid);
      start += workgroups;
    }
    const norm = reduce(gpu, sums, [total], [0], 'sum');
    gpu.give(sums);
    return [norm];
  };
}
