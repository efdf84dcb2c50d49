import { FormatError, type Shape, sizeOf } from '@linattn/math';

/** A tensor of a results file: row-major float64 numbers. */
export interface HostTensor {
  readonly shape: Shape;
  readonly values: Float64Array;
}

export type Json = Readonly<Record<string, unknown>>;

export const isJsonObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Reads the fields of one object of a results file; every error names the field by its path (`cases[2].dq`). */
export class FieldReader {
  readonly path: string;
  readonly #json: Json;

  /** @throws FormatError unless `json` is an object. */
  constructor(json: unknown, path: string) {
    this.path = path;
    if (!isJsonObject(json)) throw new FormatError(path, 'expected an object', { given: json });
    this.#json = json;
  }

  has(name: string): boolean {
    return this.#json[name] !== undefined;
  }

  raw(name: string): unknown {
    if (!this.has(name)) throw new FormatError(`${this.path}.${name}`, 'is missing');
    return this.#json[name];
  }

  number(name: string, otherwise?: number): number {
    const value = this.has(name) || otherwise === undefined ? this.raw(name) : otherwise;
    if (typeof value !== 'number' || !Number.isFinite(value)) {
      throw new FormatError(`${this.path}.${name}`, 'expected a finite number', { given: value });
    }
    return value;
  }

  oneOf<T extends string>(name: string, allowed: readonly T[]): T {
    const value = this.raw(name);
    const found = allowed.find((candidate) => candidate === value);
    if (!found) throw new FormatError(`${this.path}.${name}`, `expected ${allowed.join(' | ')}`, { given: value });
    return found;
  }

  /** `{ "shape": [...], "f64": base64 of little-endian float64 }`; `expected` is the shape it must have (-1: any extent). */
  tensor(name: string, expected?: readonly number[]): HostTensor {
    const path = `${this.path}.${name}`;
    const field = new FieldReader(this.raw(name), path);
    const shape = field.raw('shape');
    if (!Array.isArray(shape) || !shape.every((n) => Number.isInteger(n) && n > 0)) {
      throw new FormatError(`${path}.shape`, 'expected positive integers', { given: shape });
    }
    const text = field.raw('f64');
    if (typeof text !== 'string') throw new FormatError(`${path}.f64`, 'expected base64 text', { given: typeof text });
    const bytes = Buffer.from(text, 'base64');
    if (bytes.length !== 8 * sizeOf(shape)) {
      throw new FormatError(
        `${path}.f64`,
        `holds ${bytes.length} bytes; shape [${shape.join(', ')}] needs ${8 * sizeOf(shape)}`,
      );
    }
    if (
      expected &&
      (shape.length !== expected.length || shape.some((n, i) => expected[i] !== -1 && n !== expected[i]))
    ) {
      const wanted = expected.map((n) => (n === -1 ? 'any' : n)).join(', ');
      throw new FormatError(path, `has shape [${shape.join(', ')}], expected [${wanted}]`, { given: shape });
    }
    const values = new Float64Array(sizeOf(shape));
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let i = 0; i < values.length; i++) {
      values[i] = view.getFloat64(8 * i, true);
      if (!Number.isFinite(values[i]))
        throw new FormatError(path, `${values[i]} at element ${i}`, { expected: 'finite numbers' });
    }
    return { shape, values };
  }

  tensorIf(name: string, expected?: readonly number[]): HostTensor | undefined {
    return this.has(name) ? this.tensor(name, expected) : undefined;
  }
}

/** The inverse of `FieldReader.tensor`, for programs that write results files. */
export function tensorToJson(values: ArrayLike<number>, shape: Shape): { shape: number[]; f64: string } {
  const bytes = Buffer.alloc(8 * values.length);
  for (let i = 0; i < values.length; i++) bytes.writeDoubleLE(values[i], 8 * i);
  return { shape: [...shape], f64: bytes.toString('base64') };
}

/**
 * ‖given - expected‖ / ‖expected‖ (the plain norm of the difference where everything expected is 0); NaN or an infinity
 * counts as an infinite error.
 */
export function relativeError(
  given: ArrayLike<number>,
  expected: ArrayLike<number>,
  norm = euclidean(expected),
): number {
  const difference = Float64Array.from(expected, (value, i) => given[i] - value);
  const error = euclidean(difference) / (norm || 1);
  return Number.isFinite(error) && given.length === expected.length ? error : Number.POSITIVE_INFINITY;
}

const euclidean = (values: ArrayLike<number>): number => {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i] * values[i];
  return Math.sqrt(sum);
};
