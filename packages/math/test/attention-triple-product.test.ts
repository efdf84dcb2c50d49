import { describe, expect, it } from 'vitest';
import { float64Backend } from '../src/float64/index.ts';
import { type Backend, type Tensor, tensor, tripleProduct, vjp } from '../src/index.ts';
import { composingBackend, normal, relativeError, upload } from './attention-support.ts';

const numbers = (x: Tensor) => x.handle as Float64Array;
const [batch, heads, features, width] = [2, 2, 3, 4];

/** T by its definition, term by term: (x_i · y_n) z_n over the n that i sees, plus x_i under the initial state. */
function definition(
  x: Float64Array,
  y: Float64Array,
  z: Float64Array,
  state: Float64Array,
  tokens: number,
  keys: number,
  sees: (i: number, n: number) => boolean,
) {
  const output = new Float64Array(batch * tokens * heads * width);
  const total = state.slice();
  for (let b = 0; b < batch; b++) {
    for (let h = 0; h < heads; h++) {
      const at = (n: number, length: number, size: number) => ((b * length + n) * heads + h) * size;
      const stateAt = (f: number, e: number) => ((b * heads + h) * features + f) * width + e;
      for (let e = 0; e < width; e++) {
        for (let i = 0; i < tokens; i++) {
          for (let f = 0; f < features; f++) {
            const factor = x[at(i, tokens, features) + f];
            output[at(i, tokens, width) + e] += factor * state[stateAt(f, e)];
            for (let n = 0; n < keys; n++) {
              if (!sees(i, n)) continue;
              output[at(i, tokens, width) + e] += factor * y[at(n, keys, features) + f] * z[at(n, keys, width) + e];
            }
          }
        }
        for (let n = 0; n < keys; n++) {
          for (let f = 0; f < features; f++) {
            total[stateAt(f, e)] += y[at(n, keys, features) + f] * z[at(n, keys, width) + e];
          }
        }
      }
    }
  }
  return { output, total };
}

const directions = {
  forward: (i: number, n: number) => n <= i,
  reverse: (i: number, n: number) => n >= i,
  all: () => true,
} as const;

describe('triple product', () => {
  for (const [name, sees] of Object.entries(directions)) {
    const direction = name as keyof typeof directions;
    for (const tokens of [1, 5, 70]) {
      it(`${direction}, ${tokens} tokens: kernel, composition and definition agree, gradients too`, () => {
        const keys = direction === 'all' ? tokens + 3 : tokens;
        const x = normal([batch, tokens, heads, features], 1);
        const y = normal([batch, keys, heads, features], 2);
        const z = normal([batch, keys, heads, width], 3);
        const state = normal([batch, heads, features, width], 4);
        const seeds = [normal([batch, tokens, heads, width], 5), normal([batch, heads, features, width], 6)];
        const run = (backend: Backend) => {
          const inputs = [x, y, z, state].map((each) => upload(backend, each));
          const { outputs, pullback } = vjp(() => {
            const [tx, ty, tz, initialState] = inputs;
            const result = tripleProduct(tx, ty, tz, { direction, initialState, returnState: true });
            return [result.output, result.state!];
          }, inputs);
          return [...outputs, ...pullback(seeds.map((each) => upload(backend, each)))].map(numbers);
        };
        const [kernel, composed] = [run(float64Backend()), run(composingBackend())];
        const truth = definition(x.data, y.data, z.data, state.data, tokens, keys, sees);
        expect(relativeError(kernel[0], truth.output)).toBeLessThan(1e-13);
        expect(relativeError(kernel[1], truth.total)).toBeLessThan(1e-13);
        kernel.forEach((values, i) => {
          expect(relativeError(composed[i], values), `result ${i}`).toBeLessThan(1e-13);
        });
        // Linear in each argument: the gradient times the argument is the output (and state) times its upstream gradient.
        const inner = (p: ArrayLike<number>, q: ArrayLike<number>) =>
          Array.from(p).reduce((total, value, i) => total + value * q[i], 0);
        const of = (values: Float64Array[]) => inner(values[0], seeds[0].data) + inner(values[1], seeds[1].data);
        const backend = float64Backend();
        const none = normal([batch, heads, features, width], 4, 0);
        const [tx, ty, tz, t0, s0] = [x, y, z, none, state].map((each) => upload(backend, each));
        const noX = tensor(backend, new Float64Array(x.data.length), x.shape);
        const options = { direction, returnState: true } as const;
        const values = (result: ReturnType<typeof tripleProduct>) => [numbers(result.output), numbers(result.state!)];
        const without = {
          x: of(values(tripleProduct(noX, ty, tz, { ...options, initialState: s0 }))),
          state: of(values(tripleProduct(tx, ty, tz, { ...options, initialState: t0 }))),
        };
        expect(inner(kernel[2], x.data) / (of(kernel) - without.x)).toBeCloseTo(1, 10);
        expect(inner(kernel[3], y.data) / inner(kernel[4], z.data)).toBeCloseTo(1, 10);
        expect(inner(kernel[5], state.data) / (of(kernel) - without.state)).toBeCloseTo(1, 10);
      });
    }
  }
});
