import { backward } from '../attention/backward.ts';
import { forward, startState } from '../attention/factorised.ts';
import type { Problem } from '../attention/problem.ts';
import { addOuter, look } from '../attention/rows.ts';
import type { Kernel } from '../backend.ts';
import type { LinearAttentionAttributes, TripleProductAttributes } from '../ops/attributes.ts';
import { sizeOf } from '../shape.ts';
import type { Tensor } from '../tensor.ts';

const data = (tensor: Tensor): Float64Array => tensor.handle as Float64Array;
const maybe = (tensor: Tensor | undefined): Float64Array | undefined => tensor && data(tensor);

function problemOf(inputs: readonly (Tensor | undefined)[], attributes: LinearAttentionAttributes): Problem {
  const [q, k, v, coefficients] = inputs as Tensor[];
  const [batch, queries, heads, width] = q.shape;
  const [, keys, , valueWidth] = v.shape;
  return {
    ...{ batch, queries, keys, heads, width, valueWidth },
    ...attributes,
    ...{ q: data(q), k: data(k), v: data(v), keyWeights: maybe(inputs[5]) },
    coefficients: data(coefficients),
  };
}

const linearAttention: Kernel<LinearAttentionAttributes> = (inputs, attributes) => {
  const problem = problemOf(inputs, attributes);
  const state = startState(problem, maybe(inputs[4]));
  const { o, g } = forward(problem, state);
  return attributes.returnState ? [o, g, state] : [o, g];
};

const linearAttentionBackward: Kernel<LinearAttentionAttributes> = (inputs, attributes) => {
  const problem = problemOf(inputs, attributes);
  const [o, g, dO] = inputs.slice(6) as Tensor[];
  const dState = startState(problem, maybe(inputs[9]));
  const state = startState(problem, maybe(inputs[4]));
  const { dq, dk, dv, dCoefficients } = backward(problem, { o: data(o), g: data(g) }, data(dO), state, dState);
  return [dq, dk, dv, dCoefficients, ...(inputs[4] ? [dState] : [])];
};

/** One running state a head: S += y zᵀ token by token (`reverse`: from the end), out = Sᵀ x of every token whose turn has come. */
const tripleProduct: Kernel<TripleProductAttributes> = ([x, y, z, initial], { direction, returnState }, [spec]) => {
  const [batch, queries, heads, width] = spec.shape;
  const [features, keys] = [x!.shape[3], y!.shape[1]];
  const out = new Float64Array(sizeOf(spec.shape));
  const size = features * width;
  const state = initial ? data(initial).slice() : new Float64Array(batch * heads * size);
  const token = (source: Float64Array, row: number, length: number) =>
    source.subarray(row * length, (row + 1) * length);
  for (let head = 0; head < batch * heads; head++) {
    const running = token(state, head, size);
    const row = (n: number, tokens: number) => (Math.floor(head / heads) * tokens + n) * heads + (head % heads);
    const absorb = (n: number) => {
      addOuter(running, token(data(y!), row(n, keys), features), token(data(z!), row(n, keys), width));
    };
    if (direction === 'all') for (let n = 0; n < keys; n++) absorb(n);
    for (let turn = 0; turn < queries; turn++) {
      const i = direction === 'reverse' ? queries - 1 - turn : turn;
      if (direction !== 'all') absorb(i);
      look(running, token(data(x!), row(i, queries), features), token(out, row(i, queries), width));
    }
  }
  return returnState ? [out, state] : [out];
};

export const attentionKernels = { linearAttention, linearAttentionBackward, tripleProduct };
