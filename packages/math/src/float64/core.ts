import type { Handle, Kernel } from '../backend.ts';
import type { BinaryFunction, OpAttributes, ReduceFunction, UnaryFunction } from '../ops/attributes.ts';
import { broadcastStrides, type Shape, sameShape, sizeOf, stridesOf } from '../shape.ts';
import type { Tensor } from '../tensor.ts';
import { erf } from './erf.ts';

type Numbers = Float64Array | Int32Array;
const data = (tensor: Tensor | undefined): Numbers => tensor!.handle as Numbers;
const like = (source: Numbers, size: number): Numbers =>
  source instanceof Int32Array ? new Int32Array(size) : new Float64Array(size);

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));
const normalCdf = (x: number) => 0.5 * (1 + erf(x / Math.SQRT2));
const normalPdf = (x: number) => Math.exp(-0.5 * x * x) / Math.sqrt(2 * Math.PI);

const unaryTable: Readonly<Record<UnaryFunction, (x: number) => number>> = {
  exp: Math.exp,
  log: Math.log,
  sqrt: Math.sqrt,
  rsqrt: (x) => 1 / Math.sqrt(x),
  reciprocal: (x) => 1 / x,
  square: (x) => x * x,
  abs: Math.abs,
  sign: Math.sign,
  step: (x) => (x > 0 ? 1 : 0),
  tanh: Math.tanh,
  sigmoid,
  erf,
  relu: (x) => Math.max(x, 0),
  gelu: (x) => x * normalCdf(x),
  silu: (x) => x * sigmoid(x),
  elu: (x) => (x > 0 ? x : Math.expm1(x)),
  sin: Math.sin,
  cos: Math.cos,
};

const binaryTable: Readonly<Record<BinaryFunction, (x: number, y: number) => number>> = {
  add: (x, y) => x + y,
  sub: (x, y) => x - y,
  mul: (x, y) => x * y,
  div: (x, y) => x / y,
  maximum: Math.max,
  minimum: Math.min,
  ge: (x, y) => (x >= y ? 1 : 0),
  eq: (x, y) => (x === y ? 1 : 0),
  tanhBackward: (t, dy) => dy * (1 - t * t),
  sigmoidBackward: (t, dy) => dy * t * (1 - t),
  reluBackward: (t, dy) => (t > 0 ? dy : 0),
  geluBackward: (t, dy) => dy * (normalCdf(t) + t * normalPdf(t)),
  siluBackward: (t, dy) => dy * sigmoid(t) * (1 + t * (1 - sigmoid(t))),
  eluBackward: (t, dy) => (t > 0 ? dy : dy * Math.exp(t)),
};

const reduceTable: Readonly<
  Record<ReduceFunction, readonly [start: number, fold: (total: number, x: number) => number]>
> = {
  sum: [0, (total, x) => total + x],
  max: [Number.NEGATIVE_INFINITY, Math.max],
  min: [Number.POSITIVE_INFINITY, Math.min],
};

/** Calls `visit` with the offset under `strides` of every index of `shape`, in row-major order. */
function walk(shape: Shape, strides: readonly number[], visit: (offset: number, at: number) => void): void {
  const index = new Array<number>(shape.length).fill(0);
  const size = sizeOf(shape);
  let offset = 0;
  for (let at = 0; at < size; at++) {
    visit(offset, at);
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      offset += strides[axis];
      if (++index[axis] < shape[axis]) break;
      offset -= strides[axis] * shape[axis];
      index[axis] = 0;
    }
  }
}

/** The numbers of `x` stretched to `shape`; its own where nothing stretches. */
function stretched(x: Tensor | undefined, shape: Shape): Numbers {
  const source = data(x);
  if (sameShape(x!.shape, shape)) return source;
  const result = new Float64Array(sizeOf(shape));
  walk(shape, broadcastStrides(x!.shape, shape), (offset, at) => {
    result[at] = source[offset];
  });
  return result;
}

function mapped(source: Numbers, f: (x: number, at: number) => number): Float64Array {
  const result = new Float64Array(source.length);
  for (let at = 0; at < result.length; at++) result[at] = f(source[at], at);
  return result;
}

/** Copies `count` runs: how slice, pad and concat move an axis of `inner` contiguous numbers. */
function copyRuns(
  from: Numbers,
  fromStride: number,
  fromStart: number,
  to: Numbers,
  toStride: number,
  toStart: number,
  length: number,
  count: number,
): void {
  for (let run = 0; run < count; run++) {
    const start = run * fromStride + fromStart;
    to.set(from.subarray(start, start + length), run * toStride + toStart);
  }
}

const outerOf = (shape: Shape, axis: number): number => sizeOf(shape.slice(0, axis));
const innerOf = (shape: Shape, axis: number): number => sizeOf(shape.slice(axis + 1));

const kernel = <K extends keyof OpAttributes>(_: K, run: Kernel<OpAttributes[K]>): Kernel<OpAttributes[K]> => run;

export const coreKernels = {
  fill: kernel('fill', (_, { value }, [out]) => [new Float64Array(sizeOf(out.shape)).fill(value)]),

  unary: kernel('unary', ([x], { fn }) => [mapped(data(x), unaryTable[fn])]),

  binary: kernel('binary', ([x, y], { fn }, [{ shape }]) => {
    const [right, f] = [stretched(y, shape), binaryTable[fn]];
    return [mapped(stretched(x, shape), (value, at) => f(value, right[at]))];
  }),

  affine: kernel('affine', ([x], { scale, shift }) => [mapped(data(x), (value) => scale * value + shift)]),

  broadcast: kernel('broadcast', ([x], _, [{ shape }]) => [Float64Array.from(stretched(x, shape))]),

  reduce: kernel('reduce', ([x], { fn, axes }, [out]) => {
    const [start, fold] = reduceTable[fn];
    const result = new Float64Array(sizeOf(out.shape)).fill(start);
    const kept = x!.shape.map((extent, axis) => (axes.includes(axis) ? 1 : extent));
    const source = data(x);
    walk(x!.shape, broadcastStrides(kept, x!.shape), (offset, at) => {
      result[offset] = fold(result[offset], source[at]);
    });
    return [result];
  }),

  matmul: kernel('matmul', ([a, b], { transposeA, transposeB }, [out]) => {
    const [rows, columns] = out.shape.slice(-2);
    const inner = a!.shape[a!.shape.length - (transposeA ? 2 : 1)];
    const result = new Float64Array(sizeOf(out.shape));
    const [left, right] = [data(a), data(b)];
    const [aRow, aInner] = transposeA ? [1, rows] : [inner, 1];
    const [bInner, bColumn] = transposeB ? [1, inner] : [columns, 1];
    for (let batch = 0; batch * rows * columns < result.length; batch++) {
      for (let i = 0; i < rows; i++) {
        const row = (batch * rows + i) * columns;
        for (let k = 0; k < inner; k++) {
          const value = left[batch * rows * inner + i * aRow + k * aInner];
          let at = batch * inner * columns + k * bInner;
          for (let j = 0; j < columns; j++, at += bColumn) result[row + j] += value * right[at];
        }
      }
    }
    return [result];
  }),

  transpose: kernel('transpose', ([x], { permutation }, [out]) => {
    const source = data(x);
    const result = like(source, source.length);
    const strides = stridesOf(x!.shape);
    walk(
      out.shape,
      permutation.map((axis) => strides[axis]),
      (offset, at) => {
        result[at] = source[offset];
      },
    );
    return [result];
  }),

  slice: kernel('slice', ([x], { axis, start, end }, [out]) => {
    const inner = innerOf(x!.shape, axis);
    const length = (end - start) * inner;
    const result = like(data(x), sizeOf(out.shape));
    copyRuns(data(x), x!.shape[axis] * inner, start * inner, result, length, 0, length, outerOf(x!.shape, axis));
    return [result];
  }),

  pad: kernel('pad', ([x], { axis, before }, [out]) => {
    const inner = innerOf(x!.shape, axis);
    const length = x!.shape[axis] * inner;
    const result = like(data(x), sizeOf(out.shape));
    copyRuns(data(x), length, 0, result, out.shape[axis] * inner, before * inner, length, outerOf(x!.shape, axis));
    return [result];
  }),

  concat: kernel('concat', (inputs, { axis }, [out]) => {
    const inner = innerOf(out.shape, axis);
    const result = like(data(inputs[0]), sizeOf(out.shape));
    let at = 0;
    for (const input of inputs) {
      const length = input!.shape[axis] * inner;
      copyRuns(data(input), length, 0, result, out.shape[axis] * inner, at, length, outerOf(out.shape, axis));
      at += length;
    }
    return [result];
  }),

  gather: kernel('gather', ([table, indices], _, [out]) => {
    const [rows, width] = table!.shape;
    const result = new Float64Array(sizeOf(out.shape));
    data(indices).forEach((row, i) => {
      if (row >= 0 && row < rows) result.set(data(table).subarray(row * width, (row + 1) * width), i * width);
    });
    return [result];
  }),

  scatterAdd: kernel('scatterAdd', ([indices, source], { rows }, [out]) => {
    const width = out.shape[1];
    const result = new Float64Array(sizeOf(out.shape));
    data(indices).forEach((row, i) => {
      if (row < 0 || row >= rows) return;
      for (let j = 0; j < width; j++) result[row * width + j] += data(source)[i * width + j];
    });
    return [result];
  }),

  oneHot: kernel('oneHot', ([indices], { depth }, [out]) => {
    const result = new Float64Array(sizeOf(out.shape));
    data(indices).forEach((index, i) => {
      if (index >= 0 && index < depth) result[i * depth + index] = 1;
    });
    return [result];
  }),
} satisfies Record<string, (...call: never[]) => Handle[]>;
