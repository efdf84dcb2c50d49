import {
  type Backend,
  linearAttention,
  philoxFill,
  type Shape,
  scope,
  sizeOf,
  type Tensor,
  tensor,
  unscoped,
  vjp,
} from '@linattn/math';

/** Normal numbers that float32 holds exactly, so that every backend works on the same. */
export function normals(shape: Shape, seed: number, stream: number): Float64Array {
  return philoxFill(new Float64Array(sizeOf(shape)), 'normal', [seed, 0], [stream, 0]).map(Math.fround);
}

export type Normalize = 'none' | 'l2';

export interface Passed {
  readonly o: ArrayLike<number>;
  readonly g: ArrayLike<number>;
  readonly dq: ArrayLike<number>;
  readonly dk: ArrayLike<number>;
  readonly dv: ArrayLike<number>;
}

/** Causal linear attention with f = 1 + x on normal q, k, v, [1, N, H, D], and its gradient for a normal dO. */
export async function pass(backend: Backend, shape: Shape, normalize: Normalize, seed: number): Promise<Passed> {
  const made: Tensor[] = scope(() => {
    const [q, k, v, dO] = [0, 1, 2, 3].map((stream) => tensor(backend, normals(shape, seed, stream), shape));
    const denominators: Tensor[] = [];
    const { outputs, pullback } = vjp(() => {
      const { output, denominator } = linearAttention(q, k, v, { normalize });
      denominators.push(unscoped(() => denominator.view()));
      return [output];
    }, [q, k, v]);
    return [...outputs, ...denominators, ...pullback([dO])];
  });
  try {
    const [o, g, dq, dk, dv] = await Promise.all(made.map((each) => each.read()));
    return { o, g, dq, dk, dv };
  } finally {
    for (const each of made) each.dispose();
  }
}

/** |x - y| / |y|, in the Euclidean norm, of the elements from `start` on. */
export function relativeError(x: ArrayLike<number>, y: ArrayLike<number>, start = 0): number {
  let difference = 0;
  let size = 0;
  for (let i = start; i < y.length; i++) {
    difference += (x[i] - y[i]) ** 2;
    size += y[i] ** 2;
  }
  return Math.sqrt(difference / size);
}

export interface Errors {
  readonly o: number;
  readonly dq: number;
  readonly dk: number;
  readonly dv: number;
}

export const errorsOf = (x: Passed, y: Passed, share = 0): Errors => {
  const of = (name: keyof Errors) => relativeError(x[name], y[name], Math.floor(share * y[name].length));
  return { o: of('o'), dq: of('dq'), dk: of('dk'), dv: of('dv') };
};
