import { broadcastStrides, type Kernel, type OpAttributes, sizeOf } from '@linattn/math';
import type { Device } from '../devices/device.ts';
import type { Program } from '../program.ts';
import { collapse, coordinates, offset, threadsOf } from '../strides.ts';
import { binaryBodies, unaryBodies } from './functions.ts';
import { bufferOf } from './handles.ts';

export const unary =
  (device: Device): Kernel<OpAttributes['unary']> =>
  ([x], { fn }, [out]) => {
    const size = sizeOf(out.shape);
    const program: Program = {
      name: fn,
      inputs: { a: [size, 1, 1] },
      output: [size, 1, 1],
      body: ({ x, math }) => `const x=a[${x}]; ${unaryBodies[fn](math)} return y;`,
    };
    return [device.run(program, [bufferOf(x)])];
  };

export const affine =
  (device: Device): Kernel<OpAttributes['affine']> =>
  ([x], { scale, shift }, [out]) => {
    const size = sizeOf(out.shape);
    const program: Program = {
      name: 'affine',
      inputs: { a: [size, 1, 1] },
      numbers: ['scale', 'shift'],
      output: [size, 1, 1],
      body: ({ x: at }) => `return scale*a[${at}]+shift;`,
    };
    return [device.run(program, [bufferOf(x)], [scale, shift])];
  };

export const binary =
  (device: Device): Kernel<OpAttributes['binary']> =>
  ([x, y], { fn }, [out]) => {
    const shapes = [x!.shape, y!.shape];
    const walk = collapse(
      out.shape,
      shapes.map((shape) => broadcastStrides(shape, out.shape)),
    );
    const program: Program = {
      name: `${fn} ${walk.shape.join('x')} ${walk.strides.join(' ')}`,
      inputs: { a: [sizeOf(shapes[0]), 1, 1], b: [sizeOf(shapes[1]), 1, 1] },
      output: threadsOf(walk),
      body: (thread) => {
        const at = coordinates(walk, thread);
        const [left, right] = walk.strides.map((strides) => offset(at, strides));
        return `const x=a[${left}]; const g=b[${right}]; ${binaryBodies[fn](thread.math)} return y;`;
      },
    };
    return [device.run(program, [bufferOf(x), bufferOf(y)])];
  };

export const fill =
  (device: Device): Kernel<OpAttributes['fill']> =>
  (_, { value }, [out]) => {
    const size = sizeOf(out.shape);
    if (device.hostArrays) return [device.upload(device.allocate(size).fill(value))];
    const program: Program = {
      name: 'fill',
      inputs: {},
      numbers: ['value'],
      output: [size, 1, 1],
      body: () => 'return value;',
    };
    return [device.run(program, [], [value])];
  };
