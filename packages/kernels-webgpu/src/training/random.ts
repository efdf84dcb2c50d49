import { type Kernel, type RandomAttributes, sizeOf } from '@linattn/math';
import { type Gpu, gridOf } from '../runtime/gpu.ts';
import source from './random.wgsl?raw';

/** The draws of `philoxFill`, on the device. */
export const random =
  (gpu: Gpu): Kernel<RandomAttributes> =>
  (_, { shape, distribution, key, stream }) => {
    const count = Math.ceil(sizeOf(shape) / 4);
    const out = gpu.take('random', 4 * count);
    const program = { name: 'random', source, constants: { NORMAL: Number(distribution === 'normal') } };
    const words = [...key, ...stream].map((word) => word >>> 0);
    gpu.run(program, [out], [count, 0, ...words], gridOf(count, 256));
    return [out];
  };
