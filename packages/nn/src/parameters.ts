import {
  type Backend,
  type PhiloxKey,
  philoxFill,
  type Shape,
  sizeOf,
  type Tensor,
  tensor,
  unscoped,
} from '@linattn/math';
import { seedKey, wordOf } from './random.ts';

/** How a parameter starts: one constant, the numbers themselves, or normal draws of mean 0 and a standard deviation. */
export type Initializer = number | readonly number[] | { readonly std: number };

/**
 * Where a layer's parameters come from: drawn, or read from a file. A layer asks by name, shape and initial value, and never
 * learns which.
 */
export type ParameterSource = (name: string, shape: Shape, initial: Initializer) => Tensor;

/** The same source with every name under `prefix.`. */
export const under =
  (source: ParameterSource, prefix: string): ParameterSource =>
  (name, shape, initial) =>
    source(`${prefix}.${name}`, shape, initial);

/** The named parameters of one model, in the order that its layers asked for them. They belong to no scope. */
export class Parameters {
  readonly #tensors = new Map<string, Tensor>();

  /** Keeps what `source` gives, by name. */
  collect(source: ParameterSource): ParameterSource {
    return (name, shape, initial) => {
      const parameter = unscoped(() => source(name, shape, initial));
      this.#tensors.set(name, parameter);
      return parameter;
    };
  }

  get tensors(): ReadonlyMap<string, Tensor> {
    return this.#tensors;
  }

  /** Frees all of them. */
  dispose(): void {
    for (const parameter of this.#tensors.values()) parameter.dispose();
  }
}

/**
 * Fresh parameters. Normal draws come from Philox, keyed by `seed` and the parameter's name, and are rounded to float32, so that
 * every backend starts from the very same numbers.
 */
export function drawn(backend: Backend, seed: number): ParameterSource {
  const key: PhiloxKey = seedKey(seed, 'parameters');
  return (name, shape, initial) => {
    const values = new Float64Array(sizeOf(shape));
    if (typeof initial === 'number') values.fill(initial);
    else if (!('std' in initial)) values.set(initial);
    else {
      philoxFill(values, 'normal', key, [wordOf(name), 0]);
      for (let i = 0; i < values.length; i++) values[i] = Math.fround(values[i] * initial.std);
    }
    return tensor(backend, values, shape, { name });
  };
}
