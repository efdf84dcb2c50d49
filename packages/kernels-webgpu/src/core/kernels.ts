import {
  binaryFunctions,
  broadcastStrides,
  type KernelTable,
  type Shape,
  sameShape,
  sizeOf,
  stridesOf,
  unaryFunctions,
} from '@linattn/math';
import { bufferOf, type Gpu, gridOf } from '../runtime/gpu.ts';
import { type Buffer, bindingAlignment, view } from '../runtime/pool.ts';
import { bits } from '../runtime/recorder.ts';
import { oneOf, storeOf, units } from '../runtime/rows.ts';
import { collapse, eight } from './axes.ts';
import binarySource from './binary.wgsl?raw';
import elementwiseSource from './elementwise.wgsl?raw';
import indexingSource from './indexing.wgsl?raw';
import { matmul } from './matmul.ts';
import { reduce } from './reduce.ts';
import scatterAddSource from './scatter-add.wgsl?raw';
import stridedSource from './strided.wgsl?raw';
import windowSource from './window.wgsl?raw';

const fillFunction = unaryFunctions.length;
const affineFunction = fillFunction + 1;

function elementwise(gpu: Gpu, fn: number, size: number, x?: Buffer, scale = 1, shift = 0): Buffer {
  const out = gpu.take('elementwise', size);
  const count = Math.ceil(size / 4);
  gpu.run(
    { name: 'elementwise', source: elementwiseSource, constants: { FN: fn } },
    [out, x ?? gpu.nothing],
    [count, bits(scale), bits(shift)],
    gridOf(count, 256),
  );
  return out;
}

const fill = (gpu: Gpu, size: number, value: number): Buffer =>
  elementwise(gpu, fillFunction, size, undefined, 1, value);

function strided(gpu: Gpu, x: Buffer, shape: Shape, strides: readonly number[]): Buffer {
  const axes = collapse(shape.map((extent, axis) => ({ extent, strides: [strides[axis]] })));
  const count = sizeOf(shape);
  const out = gpu.take('copy', count);
  gpu.run(
    { name: 'strided', source: stridedSource, constants: {} },
    [out, x],
    [
      count,
      axes.length,
      0,
      0,
      ...eight(axes.map(({ extent }) => extent)),
      ...eight(axes.map((axis) => axis.strides[0])),
    ],
    gridOf(count, 256),
  );
  return out;
}

/** Rows of a table, stored in float32 or float16. */
const indexing = (op: number, half: boolean) => ({
  name: `indexing${half ? ' b16' : ''}`,
  source: indexingSource,
  constants: { OP: op },
  declarations: `${units(false, 'Unit', half)}fn tableAt(at: u32) -> f32 { return ${oneOf('table', 'at', half)}; }`,
});

/** Moves along one axis: see window.wgsl. */
export function window(
  gpu: Gpu,
  out: Buffer,
  x: Buffer,
  {
    outShape,
    inShape,
    axis,
    shift,
    place,
  }: Readonly<{ outShape: Shape; inShape: Shape; axis: number; shift: number; place: boolean }>,
): void {
  const inner = sizeOf(inShape.slice(axis + 1));
  // Along the last axis four neighbours move as one, where everything is a multiple of four.
  const fours = inner === 1 && [outShape[axis], inShape[axis], shift].every((extent) => extent % 4 === 0);
  const wide = fours || inner % 4 === 0;
  const unit = fours ? 4 : 1;
  const width = wide && !fours ? inner / 4 : inner;
  const count = (sizeOf(place ? inShape : outShape) / inner / unit) * width;
  gpu.run(
    {
      name: wide ? 'window4' : 'window1',
      source: windowSource,
      constants: { PLACE: Number(place) },
      declarations: `alias Unit = ${wide ? 'vec4u' : 'u32'};`,
    },
    [out, x],
    [count, width, outShape[axis] / unit, inShape[axis] / unit, (shift / unit) >>> 0],
    gridOf(count, 256),
  );
}

/**
 * Rows `start` on, so many as `shape` says along `axis`: a view of them where they lie together and begin where a binding may, so that the
 * whole may be over a binding.
 */
function rowsOf(x: Buffer, shape: Shape, axis: number, start: number): Buffer | undefined {
  const offset = 4 * start * sizeOf(shape.slice(axis + 1));
  return sizeOf(shape.slice(0, axis)) === 1 && offset % bindingAlignment === 0
    ? view(x, offset, 4 * sizeOf(shape))
    : undefined;
}

/** Tokens of a span of scatter-add.wgsl. */
const span = 1024;

/** Rows added up by index: spans of tokens first, where there are several. */
function scatterAdd(
  gpu: Gpu,
  indices: Buffer,
  rows: Buffer,
  [tokens, width, count]: readonly [tokens: number, width: number, rows: number],
): Buffer {
  const run = (LOCAL: number, out: Buffer, from: Buffer, of: Buffer, owners: Buffer) =>
    gpu.run(
      {
        name: LOCAL ? 'scatterAdd in spans' : 'scatterAdd',
        source: scatterAddSource,
        constants: { LOCAL, SPAN: span },
      },
      [out, from, of, owners],
      [tokens, width, count],
      gridOf(tokens, 1),
    );
  const out = fill(gpu, count * width, 0);
  if (tokens <= span) {
    run(0, out, indices, rows, gpu.scrap);
    return out;
  }
  const sums = gpu.take('scatterAdd', tokens * width);
  const owners = gpu.take('scatterAdd', tokens);
  run(1, sums, indices, rows, owners);
  run(0, out, owners, sums, gpu.scrap);
  gpu.give(sums, owners);
  return out;
}

/** The operations that every backend must have. */
export function coreKernels(gpu: Gpu): KernelTable {
  return {
    fill: (_, { value }, [out]) => [fill(gpu, sizeOf(out.shape), value)],

    unary: ([x], { fn }) => [elementwise(gpu, unaryFunctions.indexOf(fn), x!.size, bufferOf(x))],

    affine: ([x], { scale, shift }) => [elementwise(gpu, affineFunction, x!.size, bufferOf(x), scale, shift)],

    binary: ([x, y], { fn }, [{ shape }]) => {
      const size = sizeOf(shape);
      const out = gpu.take('binary', size);
      const flat = sameShape(x!.shape, y!.shape);
      const [xs, ys] = [broadcastStrides(x!.shape, shape), broadcastStrides(y!.shape, shape)];
      const axes = flat ? [] : collapse(shape.map((extent, axis) => ({ extent, strides: [xs[axis], ys[axis]] })));
      const count = flat ? Math.ceil(size / 4) : size;
      const along = (i: number) => eight(axes.map((axis) => axis.strides[i]));
      gpu.run(
        {
          name: flat ? 'binary4' : 'binary1',
          source: binarySource,
          constants: { FN: binaryFunctions.indexOf(fn), FLAT: Number(flat) },
          declarations: units(flat) + storeOf('z', flat),
        },
        [out, bufferOf(x), bufferOf(y)],
        [count, axes.length, 0, 0, ...eight(axes.map(({ extent }) => extent)), ...along(0), ...along(1)],
        gridOf(count, 256),
      );
      return [out];
    },

    broadcast: ([x], { shape }) => [strided(gpu, bufferOf(x), shape, broadcastStrides(x!.shape, shape))],

    transpose: ([x], { permutation }, [out]) => {
      const strides = stridesOf(x!.shape);
      return [
        strided(
          gpu,
          bufferOf(x),
          out.shape,
          permutation.map((axis) => strides[axis]),
        ),
      ];
    },

    slice: ([x], { axis, start }, [{ shape }]) => {
      const out = gpu.take('slice', sizeOf(shape));
      const rows = rowsOf(bufferOf(x), shape, axis, start);
      const [inShape, shift] = rows ? [shape, 0] : [x!.shape, start];
      window(gpu, out, rows ?? bufferOf(x), { outShape: shape, inShape, axis, shift, place: false });
      return [out];
    },

    pad: ([x], { axis, before }, [{ shape }]) => {
      const out = gpu.take('pad', sizeOf(shape));
      window(gpu, out, bufferOf(x), { outShape: shape, inShape: x!.shape, axis, shift: -before, place: false });
      return [out];
    },

    concat: (inputs, { axis }, [{ shape }]) => {
      const out = gpu.take('concat', sizeOf(shape), { inViews: true });
      let start = 0;
      for (const input of inputs) {
        const inShape = input!.shape;
        const rows = rowsOf(out, inShape, axis, start);
        const [outShape, shift] = rows ? [inShape, 0] : [shape, start];
        window(gpu, rows ?? out, bufferOf(input), { outShape, inShape, axis, shift, place: true });
        start += inShape[axis];
      }
      return [out];
    },

    reduce: ([x], { fn, axes }) => [reduce(gpu, bufferOf(x), x!.shape, axes, fn)],

    matmul: ([a, b], attributes) => [matmul(gpu, a!, b!, attributes)],

    gather: ([table, indices], _, [{ shape }]) => {
      const [rows, width] = table!.shape;
      const count = sizeOf(shape);
      const out = gpu.take('gather', count);
      gpu.run(
        indexing(0, bufferOf(table).half),
        [out, bufferOf(indices), bufferOf(table)],
        [count, width, rows],
        gridOf(count, 256),
      );
      return [out];
    },

    oneHot: ([indices], { depth }, [{ shape }]) => {
      const count = sizeOf(shape);
      const out = gpu.take('oneHot', count);
      gpu.run(indexing(1, false), [out, bufferOf(indices), gpu.nothing], [count, depth, 0], gridOf(count, 256));
      return [out];
    },

    scatterAdd: ([indices, rows], { rows: count }) => [
      scatterAdd(gpu, bufferOf(indices), bufferOf(rows), [indices!.size, rows!.shape.at(-1)!, count]),
    ],
  };
}
