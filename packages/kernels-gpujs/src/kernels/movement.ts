import { broadcastStrides, type Kernel, type OpAttributes, type Shape, sizeOf, stridesOf } from '@linattn/math';
import type { Buffer } from '../buffer.ts';
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
    const { host } = bufferOf(x);
    if (host && !device.hostArrays) return [device.upload(inOrder(host, out.shape, order), true)];
    return [device.run(strided('transpose', x!.size, out.shape, order), [bufferOf(x)])];
  };

/** Indices that the host knows too are moved there. */
function inOrder(from: Float32Array, shape: Shape, strides: readonly number[]): Float32Array {
  const own = stridesOf(shape);
  return from.map((_, at) => {
    const offsets = shape.map((extent, axis) => (Math.floor(at / own[axis]) % extent) * strides[axis]);
    return from[offsets.reduce((sum, offset) => sum + offset, 0)];
  });
}

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

/** Columns [start, start + length) of rows [outer][width]. */
export function sliceRows(
  device: Device,
  source: Buffer,
  outer: number,
  width: number,
  start: number,
  length: number,
): Buffer {
  if (source.host) {
    const result = device.allocate(outer * length);
    copyRuns(source.host, width, start, result, length, 0, length, outer);
    return device.upload(result, true);
  }
  const program: Program = {
    name: `slice ${start}`,
    inputs: { a: [width, outer, 1] },
    output: [length, outer, 1],
    body: ({ x, y }) => `return a[0][${y}][${x}+${start}];`,
  };
  return device.run(program, [source]);
}

/** Rows [outer][widths[0]], [outer][widths[1]], … side by side. Of one input, the input itself. */
export function joinRows(device: Device, parts: readonly Buffer[], outer: number): Buffer {
  if (parts.length === 1) return parts[0];
  const widths = parts.map(({ size }) => size / outer);
  const total = widths.reduce((sum, width) => sum + width);
  if (parts.every(({ host }) => host)) {
    const result = device.allocate(outer * total);
    let at = 0;
    parts.forEach(({ host }, i) => {
      copyRuns(host!, widths[i], 0, result, total, at, widths[i], outer);
      at += widths[i];
    });
    return device.upload(result, true);
  }
  // Two at a time, from the left.
  let current = parts[0];
  let width = widths[0];
  for (let i = 1; i < parts.length; i++) {
    const joined = device.run(join(width, widths[i], outer), [current, parts[i]]);
    if (i > 1) device.release(current);
    current = joined;
    width += widths[i];
  }
  return current;
}

export const slice =
  (device: Device): Kernel<OpAttributes['slice']> =>
  ([x], { axis, start, end }) => {
    const [outer, inner] = [outerOf(x!.shape, axis), innerOf(x!.shape, axis)];
    return [sliceRows(device, bufferOf(x), outer, x!.shape[axis] * inner, start * inner, (end - start) * inner)];
  };

export const pad =
  (device: Device): Kernel<OpAttributes['pad']> =>
  ([x], { axis, before }, [out]) => {
    const [outer, inner] = [outerOf(x!.shape, axis), innerOf(x!.shape, axis)];
    const [length, to] = [x!.shape[axis] * inner, out.shape[axis] * inner];
    const source = bufferOf(x);
    const start = before * inner;
    if (source.host) {
      const result = device.allocate(outer * to).fill(0);
      copyRuns(source.host, length, 0, result, to, start, length, outer);
      return [device.upload(result, true)];
    }
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
  (inputs, { axis }, [out]) => [joinRows(device, inputs.map(bufferOf), outerOf(out.shape, axis))];

/** Rows of a, each followed by the row of b. */
const join = (left: number, right: number, rows: number): Program => ({
  name: 'concat',
  inputs: { a: [left, rows, 1], b: [right, rows, 1] },
  output: [left + right, rows, 1],
  body: ({ x, y }) =>
    `let s=0.0; if (${x}<${left}) { s=a[0][${y}][${x}]; } else { s=b[0][${y}][${x}-${left}]; } return s;`,
});
