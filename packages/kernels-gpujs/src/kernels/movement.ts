import { broadcastStrides, type Kernel, type OpAttributes, type Shape, sizeOf, stridesOf } from '@linattn/math';
import type { Device } from '../devices/device.ts';
import type { Program } from '../program.ts';
import { collapse, coordinates, offset, threadsOf } from '../strides.ts';
import { bufferOf } from './handles.ts';

const outerOf = (shape: Shape, axis: number): number => sizeOf(shape.slice(0, axis));
const innerOf = (shape: Shape, axis: number): number => sizeOf(shape.slice(axis + 1));

/** Reads `size` elements by strides along `shape`: a copy in another order. */
function strided(name: string, size: number, shape: Shape, strides: readonly number[]): Program {
  const walk = collapse(shape, [strides]);
  return {
    name: `${name} ${walk.shape.join('x')} ${walk.strides[0]}`,
    inputs: { a: [size, 1, 1] },
    output: threadsOf(walk),
    body: (thread) => `return a[${offset(coordinates(walk, thread), walk.strides[0])}];`,
  };
}

export const broadcast =
  (device: Device): Kernel<OpAttributes['broadcast']> =>
  ([x], _, [out]) => [
    device.run(strided('broadcast', x!.size, out.shape, broadcastStrides(x!.shape, out.shape)), [bufferOf(x)]),
  ];

export const transpose =
  (device: Device): Kernel<OpAttributes['transpose']> =>
  ([x], { permutation }, [out]) => {
    const strides = stridesOf(x!.shape);
    const order = permutation.map((axis) => strides[axis]);
    return [device.run(strided('transpose', x!.size, out.shape, order), [bufferOf(x)])];
  };

/** Copies runs of a row-major array: `count` of them, `length` long. */
function copyRuns(
  from: Float32Array,
  fromStride: number,
  fromStart: number,
  to: Float32Array,
  toStride: number,
  toStart: number,
  length: number,
  count: number,
): void {
  for (let run = 0; run < count; run++) {
    const start = run * fromStride + fromStart;
    // Short runs are copied by hand: a view each costs more.
    if (length < 32) for (let i = 0, at = run * toStride + toStart; i < length; i++) to[at + i] = from[start + i];
    else to.set(from.subarray(start, start + length), run * toStride + toStart);
  }
}

export const slice =
  (device: Device): Kernel<OpAttributes['slice']> =>
  ([x], { axis, start, end }) => {
    const [outer, inner] = [outerOf(x!.shape, axis), innerOf(x!.shape, axis)];
    const [from, length] = [x!.shape[axis] * inner, (end - start) * inner];
    const source = bufferOf(x);
    if (source.host) {
      const result = device.allocate(outer * length);
      copyRuns(source.host, from, start * inner, result, length, 0, length, outer);
      return [device.upload(result)];
    }
    const program: Program = {
      name: `slice ${start * inner}`,
      inputs: { a: [from, outer, 1] },
      output: [length, outer, 1],
      body: ({ x, y }) => `return a[0][${y}][${x}+${start * inner}];`,
    };
    return [device.run(program, [source])];
  };

export const pad =
  (device: Device): Kernel<OpAttributes['pad']> =>
  ([x], { axis, before }, [out]) => {
    const [outer, inner] = [outerOf(x!.shape, axis), innerOf(x!.shape, axis)];
    const [length, to] = [x!.shape[axis] * inner, out.shape[axis] * inner];
    const source = bufferOf(x);
    if (source.host) {
      const result = device.allocate(outer * to).fill(0);
      copyRuns(source.host, length, 0, result, to, before * inner, length, outer);
      return [device.upload(result)];
    }
    const start = before * inner;
    const program: Program = {
      name: `pad ${start}`,
      inputs: { a: [length, outer, 1] },
      output: [to, outer, 1],
      body: ({ x, y }) => `
        let s=0.0;
        if (${x}>=${start}) { if (${x}<${start + length}) { s=a[0][${y}][${x}-${start}]; } }
        return s;`,
    };
    return [device.run(program, [source])];
  };

export const concat =
  (device: Device): Kernel<OpAttributes['concat']> =>
  (inputs, { axis }, [out]) => {
    const [outer, inner] = [outerOf(out.shape, axis), innerOf(out.shape, axis)];
    const to = out.shape[axis] * inner;
    const lengths = inputs.map((input) => input!.shape[axis] * inner);
    if (inputs.every((input) => bufferOf(input).host)) {
      const result = device.allocate(outer * to);
      let at = 0;
      inputs.forEach((input, i) => {
        copyRuns(bufferOf(input).host!, lengths[i], 0, result, to, at, lengths[i], outer);
        at += lengths[i];
      });
      return [device.upload(result)];
    }
    // Two at a time, from the left.
    let current = bufferOf(inputs[0]);
    let width = lengths[0];
    for (let i = 1; i < inputs.length; i++) {
      const joined = device.run(join(width, lengths[i], outer), [current, bufferOf(inputs[i])]);
      if (i > 1) device.release(current);
      current = joined;
      width += lengths[i];
    }
    return [current];
  };

/** Rows of a, each followed by the row of b. */
const join = (left: number, right: number, rows: number): Program => ({
  name: 'concat',
  inputs: { a: [left, rows, 1], b: [right, rows, 1] },
  output: [left + right, rows, 1],
  body: ({ x, y }) =>
    `let s=0.0; if (${x}<${left}) { s=a[0][${y}][${x}]; } else { s=b[0][${y}][${x}-${left}]; } return s;`,
});
