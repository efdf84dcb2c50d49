import { type AttentionOptions, type NdArray, ndarray } from '../src/attention/index.ts';
import { float64Backend } from '../src/float64/index.ts';
import {
  add,
  affine,
  type Backend,
  broadcastTo,
  concat,
  div,
  fill,
  type LinearAttentionOptions,
  matmul,
  mul,
  philoxFill,
  reshape,
  rsqrt,
  sees,
  slice,
  square,
  stateRows,
  sum,
  type Tensor,
  tensor,
  transpose,
} from '../src/index.ts';

/** One attention problem of the covering set. */
export interface Case {
  readonly mask: 'causal' | 'bidirectional' | 'prefix';
  readonly prefix?: number;
  readonly batch?: number;
  readonly heads?: number;
  readonly queries: number;
  readonly keys?: number;
  readonly headDim: number;
  readonly valueDim?: number;
  readonly a?: number;
  readonly b?: number;
  readonly c?: number;
  readonly order?: 1 | 2;
  readonly normalize?: 'l2';
  readonly state?: boolean;
  readonly keyWeights?: boolean;
}

/** Standard normal numbers of a seed, times `scale`. */
export function normal(shape: readonly number[], seed: number, scale = 1): NdArray {
  const size = shape.reduce((product, extent) => product * extent, 1);
  const data = philoxFill(new Float64Array(size), 'normal', [seed, 0x5eed], [0, 0]);
  return ndarray(
    shape,
    data.map((value) => scale * value),
  );
}

/** Inputs and random upstream gradients of a case. */
export function inputsOf(test: Case, seed = 1) {
  const { batch = 1, heads = 2, queries, keys = queries, headDim, valueDim = headDim, mask, prefix } = test;
  const { a = 1, b = 1, c = 0, normalize } = test;
  const order = test.order ?? (c === 0 ? 1 : 2);
  // Without normalisation q·k is kept well inside (-1, 1), so that no denominator comes near 0 by chance.
  const scale = normalize ? 1 : 0.5 / Math.sqrt(headDim);
  const stateExtents = [batch, heads, stateRows(headDim, order), valueDim + 1];
  const q = normal([batch, queries, heads, headDim], seed, scale);
  const k = normal([batch, keys, heads, headDim], seed + 1, scale);
  const v = normal([batch, keys, heads, valueDim], seed + 2);
  const initialState = test.state ? earlierKeys(stateExtents, order, headDim, seed + 3) : undefined;
  const keyWeights = test.keyWeights
    ? ndarray(
        [batch, keys, heads],
        normal([batch, keys, heads], seed + 4).data.map((x, i) => (i < heads || x > -0.7 ? 1.25 : 0)),
      )
    : undefined;
  const options: AttentionOptions = { mask, prefix, a, b, c, order, normalize, initialState, keyWeights };
  const dOutput = normal([batch, queries, heads, valueDim], seed + 5);
  const dState = normal(stateExtents, seed + 6, 0.1);
  return { q, k, v, options, order, gradients: { output: dOutput, state: dState } };
}

/** A state that seven real keys leave (any numbers would do, but then denominators may vanish), plus a little noise. */
function earlierKeys(extents: readonly number[], order: 1 | 2, headDim: number, seed: number): NdArray {
  const state = normal(extents, seed, 0.01);
  const [batch, heads, rows, columns] = extents;
  const keys = normal([batch * heads, 7, headDim], seed + 100, 0.5 / Math.sqrt(headDim)).data;
  const values = normal([batch * heads, 7, columns], seed + 101).data;
  for (let head = 0; head < batch * heads; head++) {
    for (let n = 0; n < 7; n++) {
      const key = keys.subarray((head * 7 + n) * headDim, (head * 7 + n + 1) * headDim);
      const psi = [1, ...key, ...(order === 2 ? [...key].flatMap((x) => [...key].map((y) => x * y)) : [])];
      for (let f = 0; f < rows; f++) {
        for (let e = 0; e < columns; e++) {
          const w = e === columns - 1 ? 1 : values[(head * 7 + n) * columns + e];
          state.data[(head * rows + f) * columns + e] += psi[f] * w;
        }
      }
    }
  }
  return state;
}

/** |x - y| / |y| in the Euclidean norm; infinite where a number is not finite, so that NaN never passes. */
export function relativeError(x: ArrayLike<number>, y: ArrayLike<number>): number {
  if (x.length !== y.length) throw new Error(`${x.length} numbers against ${y.length}`);
  let [difference, size] = [0, 0];
  for (let i = 0; i < y.length; i++) {
    difference += (x[i] - y[i]) ** 2;
    size += y[i] ** 2;
  }
  const error = size === 0 ? Math.sqrt(difference) : Math.sqrt(difference / size);
  return Number.isNaN(error) ? Number.POSITIVE_INFINITY : error;
}

/** Uploads an array. */
export const upload = (backend: Backend, x: NdArray): Tensor => tensor(backend, x.data, x.shape);

/** A float64 backend without attention kernels: what a new backend starts as, so attention is composed there. */
export function composingBackend(): Backend {
  const backend = float64Backend();
  const { linearAttention, linearAttentionBackward, tripleProduct, ...kernels } = backend.kernels;
  if (!(linearAttention && linearAttentionBackward && tripleProduct)) throw new Error('float64 lost its kernels');
  return { ...backend, kernels };
}

const headsFirst = (x: Tensor): Tensor => transpose(x, [0, 2, 1, 3]);

/**
 * The definition of attention, written in elementary tensor operations with its N × N matrix, for the tape to differentiate.
 * Shares no code with linearAttention: L2 normalisation too is spelt out.
 */
export function definition(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  coefficients: Tensor,
  order: 1 | 2,
  options: Pick<LinearAttentionOptions, 'mask' | 'prefix' | 'initialState' | 'keyWeights'> & { radius?: number },
): { output: Tensor; denominator: Tensor; state: Tensor } {
  const { mask = 'causal', prefix = 0, initialState, keyWeights, radius } = options;
  const { backend } = q;
  const unit = (x: Tensor) => (radius ? mul(x, affine(rsqrt(sum(square(x), [-1], true)), radius)) : x);
  const [queries, keys] = [q.shape[1], k.shape[1]];
  const coefficient = (i: number) => reshape(slice(coefficients, 0, i, i + 1), [1, 1, 1, 1]);
  const [a, b, c] = [0, 1, 2].map(coefficient);
  const [qh, kh, vh] = [unit(q), unit(k), v].map(headsFirst);
  const ones = fill(backend, [...vh.shape.slice(0, 3), 1], 1);
  const values = concat([vh, ones], 3);
  const w = keyWeights ? mul(values, headsFirst(reshape(keyWeights, [...keyWeights.shape, 1]))) : values;
  const polynomial = (s: Tensor) => {
    const linear = add(a, mul(b, s));
    return order === 2 ? add(linear, mul(c, square(s))) : linear;
  };
  const visible = tensor(
    backend,
    Float64Array.from({ length: queries * keys }, (_, at) =>
      sees(mask, prefix, Math.floor(at / keys), at % keys) ? 1 : 0,
    ),
    [queries, keys],
  );
  let both = matmul(mul(polynomial(matmul(qh, kh, false, true)), visible), w);
  const moments = (x: Tensor) => {
    const [batch, heads, tokens, width] = x.shape;
    const parts = [fill(backend, [batch, heads, tokens, 1], 1), x];
    if (order === 2) {
      const outer = mul(reshape(x, [...x.shape, 1]), reshape(x, [batch, heads, tokens, 1, width]));
      parts.push(reshape(outer, [batch, heads, tokens, width * width]));
    }
    return concat(parts, 3);
  };
  let state = matmul(moments(kh), w, true);
  if (initialState) {
    const spread = moments(qh).shape[3];
    const width = q.shape[3];
    const weights = concat(
      [a, b, c].slice(0, order + 1).map((x, power) => broadcastTo(x, [1, 1, 1, width ** power])),
      3,
    );
    if (weights.shape[3] !== spread) throw new Error('moments and weights differ');
    both = add(both, matmul(mul(moments(qh), weights), initialState));
    state = add(state, initialState);
  }
  const width = v.shape[3];
  const g = slice(both, 3, width, width + 1);
  const output = headsFirst(div(slice(both, 3, 0, width), g));
  return { output, denominator: reshape(headsFirst(g), output.shape.slice(0, 3)), state };
}
