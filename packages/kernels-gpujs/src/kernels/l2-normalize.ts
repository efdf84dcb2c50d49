import type { Kernel, OpAttributes } from '@linattn/math';
import type { Buffer } from '../buffer.ts';
import type { Device } from '../devices/device.ts';
import { float, type Program } from '../program.ts';
import { Scratch } from '../scratch.ts';
import { bufferOf } from './handles.ts';

/** Below this squared length a vector counts as zero, as in @linattn/math. */
const tinySquaredNorm = 1e-36;

/** r / |x| of each vector along the last axis. */
export const lengthScales = (vectors: number, width: number, radius: number): Program => ({
  name: `length scales ${radius}`,
  inputs: { a: [width, vectors, 1] },
  output: [vectors, 1, 1],
  body: ({ x }) => `
    let s=0.0; for (let d=0; d<${width}; d++) { const value=a[0][${x}][d]; s+=value*value; }
    return ${float(radius)}/Math.sqrt(Math.max(s, ${float(tinySquaredNorm)}));`,
});

/** x · y of each pair of vectors. */
export const dots = (vectors: number, width: number): Program => ({
  name: 'dots',
  inputs: { a: [width, vectors, 1], b: [width, vectors, 1] },
  output: [vectors, 1, 1],
  body: ({ x }) => `let s=0.0; for (let d=0; d<${width}; d++) { s+=a[0][${x}][d]*b[0][${x}][d]; } return s;`,
});

const scaled = (vectors: number, width: number): Program => ({
  name: 'scaled',
  inputs: { a: [width, vectors, 1], scale: [vectors, 1, 1] },
  output: [width, vectors, 1],
  body: ({ x, y }) => `return a[0][${y}][${x}]*scale[${y}];`,
});

/** (r / |x|) (dy - x (x·dy) / |x|²), and 0 where x counts as zero. */
const turned = (vectors: number, width: number, radius: number): Program => ({
  name: `turned ${radius}`,
  inputs: { a: [width, vectors, 1], b: [width, vectors, 1], along: [vectors, 1, 1], scale: [vectors, 1, 1] },
  output: [width, vectors, 1],
  body: ({ x, y }) => `
    const length=scale[${y}]; const inverse=length*${float(1 / radius)};
    let s=0.0;
    if (inverse<${float(0.999 / Math.sqrt(tinySquaredNorm))}) {
      s=length*(b[0][${y}][${x}]-a[0][${y}][${x}]*(along[${y}]*inverse)*inverse);
    }
    return s;`,
});

/** The gradient of normalised vectors brought back to that of the vectors. */
export function denormalize(
  scratch: Scratch,
  x: Buffer,
  dy: Buffer,
  scale: Buffer,
  vectors: number,
  radius: number,
): Buffer {
  const width = x.size / vectors;
  const along = scratch.run(dots(vectors, width), [x, dy]);
  return scratch.run(turned(vectors, width, radius), [x, dy, along, scale]);
}

export const l2Normalize =
  (device: Device): Kernel<OpAttributes['l2Normalize']> =>
  ([x], { radius }) => {
    const width = x!.shape.at(-1)!;
    const vectors = x!.size / width;
    return Scratch.use(device, (scratch) => {
      const scale = scratch.run(lengthScales(vectors, width, radius), [bufferOf(x)]);
      return [scratch.run(scaled(vectors, width), [bufferOf(x), scale])];
    });
  };

export const l2NormalizeBackward =
  (device: Device): Kernel<OpAttributes['l2NormalizeBackward']> =>
  ([x, dy], { radius }) => {
    const width = x!.shape.at(-1)!;
    const vectors = x!.size / width;
    return Scratch.use(device, (scratch) => {
      const scale = scratch.run(lengthScales(vectors, width, radius), [bufferOf(x)]);
      return [denormalize(scratch, bufferOf(x), bufferOf(dy), scale, vectors, radius)];
    });
  };
