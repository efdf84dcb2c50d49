import type { DType } from '../backend.ts';
import { philoxFill } from '../random/philox.ts';
import { type Shape, sizeOf } from '../shape.ts';

/** One input of a case: its shape and how its numbers are drawn from a stream that depends on the case and input alone. */
export interface InputSpec {
  readonly shape: Shape;
  readonly dtype: DType;
  /** The numbers, from a stream of its own for each input. */
  readonly draw: (stream: RandomSource) => ArrayLike<number>;
}

/** Philox draws of one input. Each call with another `part` is another stream. */
export interface RandomSource {
  /** Standard normal numbers. */
  readonly normal: (size: number, part?: number) => Float64Array;
  /** Uniform numbers in (0, 1). */
  readonly uniform: (size: number, part?: number) => Float64Array;
  /** The stream of the case's input at another position, to draw numbers correlated with it. */
  readonly of: (position: number) => RandomSource;
}

const source = (seed: number, input: number): RandomSource => ({
  of: (position) => source(seed, position),
  normal: (size, part = 0) => philoxFill(new Float64Array(size), 'normal', [seed, 0x11a77], [input, part]),
  uniform: (size, part = 0) => philoxFill(new Float64Array(size), 'uniform', [seed, 0x11a77], [input, part]),
});

/** FNV-1a: a case's seed is its name's, so that adding a case changes no other. */
export function hash(text: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  return h >>> 0;
}

/** The host numbers of a case's input, rounded to float32 where the backend under test computes in it. */
export function materialise(
  spec: InputSpec,
  caseName: string,
  position: number,
  precision: Precision,
): ArrayLike<number> {
  const values = spec.draw(source(hash(caseName), position));
  if (spec.dtype === 'int32') return Int32Array.from(values);
  return precision === 'float32' ? Float32Array.from(values) : values;
}

/** What a backend computes in; it decides on the tolerance. */
export type Precision = 'float32' | 'float64';

const float = (shape: Shape, draw: InputSpec['draw']): InputSpec => ({ shape, dtype: 'float', draw });

/** Normal numbers of standard deviation `scale` about `shift`. */
export const normal = (shape: Shape, scale = 1, shift = 0): InputSpec =>
  float(shape, (stream) => stream.normal(sizeOf(shape)).map((x) => scale * x + shift));

/** Uniform numbers in (low, high). */
export const uniform = (shape: Shape, low: number, high: number): InputSpec =>
  float(shape, (stream) => stream.uniform(sizeOf(shape)).map((u) => low + (high - low) * u));

/** Both signs, magnitudes uniform in (low, high): away from kinks and poles at 0. */
export const awayFromZero = (shape: Shape, low: number, high: number): InputSpec =>
  float(shape, (stream) => {
    const signs = stream.uniform(sizeOf(shape), 1);
    return stream.uniform(sizeOf(shape)).map((u, i) => (signs[i] < 0.5 ? -1 : 1) * (low + (high - low) * u));
  });

/**
 * Numbers whose last axis repeats the standard normal draws of the input at `position` (last extent `width`) with correlation
 * `share`, row by row.
 */
export const correlated = (shape: Shape, position: number, width: number, share: number): InputSpec =>
  float(shape, (stream) => {
    const columns = shape.at(-1)!;
    const other = stream.of(position).normal((sizeOf(shape) / columns) * width);
    const rest = Math.sqrt(1 - share * share);
    return stream
      .normal(sizeOf(shape), 1)
      .map((x, at) => rest * x + share * other[Math.floor(at / columns) * width + ((at % columns) % width)]);
  });

/** Few different whole numbers, so that many are equal. */
export const tied = (shape: Shape, low: number, high: number): InputSpec =>
  float(shape, (stream) => stream.uniform(sizeOf(shape)).map((u) => Math.floor(low + (high - low) * u)));

/** These very numbers. */
export const given = (values: readonly number[], shape: Shape = [values.length]): InputSpec =>
  float(shape, () => values);

/** Whole numbers in [low, high), many of them repeated when the range is small. */
export const integers = (shape: Shape, low: number, high: number): InputSpec => ({
  shape,
  dtype: 'int32',
  draw: (stream) => stream.uniform(sizeOf(shape)).map((u) => Math.floor(low + (high - low) * u)),
});

/** Another input's numbers, changed in place. */
export const edited = (spec: InputSpec, edit: (values: Float64Array) => void): InputSpec => ({
  ...spec,
  draw: (stream) => {
    const values = Float64Array.from(spec.draw(stream));
    edit(values);
    return values;
  },
});
