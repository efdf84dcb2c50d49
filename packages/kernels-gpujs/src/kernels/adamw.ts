import type { AdamWAttributes, Kernel } from '@linattn/math';
import type { Device } from '../devices/device.ts';
import type { Program } from '../program.ts';
import { bufferOf } from './handles.ts';

const flat = (
  name: string,
  inputs: readonly string[],
  numbers: readonly string[],
  size: number,
  body: Program['body'],
): Program => ({
  name: `adamW ${name}`,
  inputs: Object.fromEntries(inputs.map((input) => [input, [input === 'scale' ? 1 : size, 1, 1]])),
  numbers,
  output: [size, 1, 1],
  body,
});

/** β m + (1 - β) s g, s the scale of gradients. */
const moment1 = (size: number): Program =>
  flat(
    'moment 1',
    ['m', 'g', 'scale'],
    ['beta', 'rest'],
    size,
    ({ x }) => `return beta*m[${x}]+rest*scale[0]*g[${x}];`,
  );

/** β v + (1 - β) (s g)² */
const moment2 = (size: number): Program =>
  flat(
    'moment 2',
    ['v', 'g', 'scale'],
    ['beta', 'rest'],
    size,
    ({ x }) => `const d=scale[0]*g[${x}]; return beta*v[${x}]+rest*d*d;`,
  );

/** p · keep - rate · m / (√(v · correction) + ε) */
const step = (size: number): Program =>
  flat(
    'step',
    ['p', 'm', 'v'],
    ['keep', 'rate', 'correction', 'epsilon'],
    size,
    ({ x }) => `return keep*p[${x}]-rate*m[${x}]/(Math.sqrt(v[${x}]*correction)+epsilon);`,
  );

export const adamW =
  (device: Device): Kernel<AdamWAttributes> =>
  ([scaleTensor, ...rest], { learningRate, beta1, beta2, epsilon, step: count, weightDecay }) => {
    const scale = bufferOf(scaleTensor);
    const rate = learningRate / (1 - beta1 ** count);
    const correction = 1 / (1 - beta2 ** count);
    return weightDecay.flatMap((decay, i) => {
      const [p, g, m, v] = rest.slice(4 * i, 4 * i + 4).map(bufferOf);
      const m1 = device.run(moment1(p.size), [m, g, scale], [beta1, 1 - beta1]);
      const v1 = device.run(moment2(p.size), [v, g, scale], [beta2, 1 - beta2]);
      const p1 = device.run(step(p.size), [p, m1, v1], [1 - learningRate * decay, rate, correction, epsilon]);
      return [p1, m1, v1];
    });
  };
