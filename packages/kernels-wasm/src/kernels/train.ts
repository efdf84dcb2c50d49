import { sizeOf } from '@linattn/math';
import { address } from '../device.ts';
import { blocksOf, type KernelsOf } from './table.ts';

const blockSize = 16384;
/** Float64 words that describe one parameter to the kernel. */
const groupWords = 6;

export const train: KernelsOf<'adamW' | 'random'> = (device) => ({
  adamW: ([gradientScale, ...rest], { learningRate, beta1, beta2, epsilon, step, weightDecay }) => {
    const words = new Float64Array(weightDecay.length * groupWords);
    let blocks = 0;
    weightDecay.forEach((decay, i) => {
      const tensors = rest.slice(4 * i, 4 * i + 4);
      const n = sizeOf(tensors[0]!.shape);
      words.set([...tensors.map(address), n, 1 - learningRate * decay], i * groupWords);
      blocks += blocksOf(n, blockSize);
    });
    if (blocks === 0) return [];
    device.borrow('adamW', words.byteLength, (groups) => {
      device.doubles(groups, words.length).set(words);
      const rate = learningRate / (1 - beta1 ** step);
      const correction2 = 1 / (1 - beta2 ** step);
      const scalars = [beta1, beta2, rate, correction2, epsilon, blockSize];
      device.run('adamW', blocks, [groups, weightDecay.length, address(gradientScale), ...scalars]);
    });
    // In place: parameters and moments keep their buffers.
    return rest.flatMap((tensor, i) => (i % 4 === 1 ? [] : [tensor!.handle]));
  },

  random: (_, { shape, distribution, key, stream }, outputs) =>
    device.produce('random', outputs, (y) => {
      const n = sizeOf(shape);
      const words = [...key, ...stream].map((word) => word >>> 0);
      device.run('random', blocksOf(n, blockSize), [y, n, Number(distribution === 'normal'), ...words, blockSize]);
    }),
});
