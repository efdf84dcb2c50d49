import {
  add,
  affine,
  type Backend,
  concat,
  div,
  exp,
  fill,
  l2Normalize,
  linearAttention,
  matmul,
  mul,
  reshape,
  resolveRadius,
  slice,
  square,
  sub,
  sum,
  type Tensor,
  tensor,
  unscoped,
  valueAndGrad,
  vjp,
} from '@linattn/math';
import { float64Backend } from '@linattn/math/float64';
import { type Example, type Token, targetOf } from './example.ts';

export type Rows = readonly (readonly number[])[];

/** What happens at one token, forward and then backward. Matrices of the state are [D + 1, D + 1]: rows 1, k; columns v, 1. */
export interface TokenTrace {
  readonly generated: boolean;
  /** φ(k) = [1, k̂] and φ(q), with k̂ and q̂ at length r. */
  readonly phiK: readonly number[];
  readonly phiQ: readonly number[];
  /** [v, 1] */
  readonly w: readonly number[];
  /** φ(k_t) w_tᵀ */
  readonly added: Rows;
  /** S_t, after the token. */
  readonly state: Rows;
  readonly output: readonly number[];
  readonly denominator: number;
  /** The value that a generated token is asked to read back. */
  readonly target?: readonly number[];
  /** ∂L/∂o_t; zeros at conditional tokens. */
  readonly dOutput: readonly number[];
  /** φ(q_t) e_tᵀ: what the token's own loss adds to the state's gradient. */
  readonly dAdded: Rows;
  /** ∂L/∂S_t, through this token and all later ones. */
  readonly dState: Rows;
  readonly dq: readonly number[];
  readonly dk: readonly number[];
  readonly dv: readonly number[];
}

export interface Trace {
  readonly tokens: readonly TokenTrace[];
  readonly loss: number;
  /** S_0 and ∂L/∂S_{n+1}: zeros. */
  readonly nothing: Rows;
  /** Softmax attention of the same q, k, v: A [n, n] and ∂L/∂A for the same kind of loss. */
  readonly softmax: { readonly weights: Rows; readonly dWeights: Rows };
  /** Largest difference between the steps and one full pass of the library: outputs, and dq, dk, dv. */
  readonly difference: { readonly outputs: number; readonly gradients: number };
}

/**
 * Runs causal linear attention with f(x) = 1 + x, normalised, over the example: token by token forward, then token by token backward, on the
 * float64 reference. The loss is L = ½ Σ |o_i - y_i|² over generated tokens i, with y_i the value of a conditional token.
 */
export async function traceOf(example: Example): Promise<Trace> {
  const backend = float64Backend();
  try {
    const steps = forward(backend, example);
    const gradients = backward(backend, example, steps);
    const full = fullPass(backend, example);
    const softmax = softmaxPass(backend, example);
    const size = example.features + 1;
    const tokens = await Promise.all(
      steps.map(async (step, t) => {
        const of = gradients[t];
        return {
          generated: t >= example.conditional,
          phiK: await vector(step.phiK),
          phiQ: await vector(step.phiQ),
          w: await vector(step.w),
          added: await matrix(step.added, size),
          state: await matrix(step.state, size),
          output: await vector(step.output),
          denominator: await step.denominator.item(),
          target: step.target && (await vector(step.target)),
          dOutput: await vector(of.dOutput),
          dAdded: await matrix(of.dAdded, size),
          dState: await matrix(of.dState, size),
          dq: await vector(of.dq),
          dk: await vector(of.dk),
          dv: await vector(of.dv),
        };
      }),
    );
    const [dq, dk, dv] = await Promise.all(full.gradients.map(vector));
    const flat = (name: 'dq' | 'dk' | 'dv' | 'output') => tokens.flatMap((token) => token[name]);
    return {
      tokens,
      loss: await full.loss.item(),
      nothing: Array.from({ length: size }, () => new Array<number>(size).fill(0)),
      softmax: {
        weights: await matrix(softmax.weights, tokens.length),
        dWeights: await matrix(softmax.dWeights, tokens.length),
      },
      difference: {
        outputs: apart(flat('output'), await vector(full.output)),
        gradients: Math.max(apart(flat('dq'), dq), apart(flat('dk'), dk), apart(flat('dv'), dv)),
      },
    };
  } finally {
    await backend.dispose();
  }
}

const vector = async (x: Tensor): Promise<number[]> => [...(await x.read())];

async function matrix(x: Tensor, columns: number): Promise<number[][]> {
  const values = await vector(x);
  return Array.from({ length: values.length / columns }, (_, i) => values.slice(i * columns, (i + 1) * columns));
}

const apart = (x: readonly number[], y: readonly number[]): number =>
  x.reduce((most, value, i) => Math.max(most, Math.abs(value - y[i])), 0);

const kernel = { mask: 'causal', normalize: 'l2' } as const;

/** [1, x̂] with x̂ = x at length r, as a column [D + 1, 1]. */
function featuresOf(x: Tensor): Tensor {
  const flat = reshape(l2Normalize(x, resolveRadius(kernel)), [x.size]);
  return reshape(concat([fill(x.backend, [1], 1), flat], 0), [x.size + 1, 1]);
}

type Pull = (seeds: readonly Tensor[]) => Tensor[];

function forward(backend: Backend, { tokens, conditional, features }: Example) {
  const one = fill(backend, [1], 1);
  let state = fill(backend, [1, 1, features + 1, features + 1], 0);
  return tokens.map((token, t) => {
    const [q, k, v] = [token.q, token.k, token.v].map((x) => tensor(backend, x, [1, 1, 1, features]));
    let denominator: Tensor | undefined;
    const before = state;
    const { outputs, pullback } = vjp(() => {
      const result = linearAttention(q, k, v, { ...kernel, initialState: before, returnState: true });
      denominator = unscoped(() => result.denominator.view());
      return [result.output, result.state!];
    }, [q, k, v, before]);
    state = outputs[1];
    const w = reshape(concat([reshape(v, [features]), one], 0), [1, features + 1]);
    const phiK = featuresOf(k);
    const target =
      t < conditional ? undefined : tensor(backend, tokens[targetOf(t, conditional)].v, [1, 1, 1, features]);
    return {
      ...{ q, phiK, phiQ: featuresOf(q), w, added: matmul(phiK, w), state, target },
      output: outputs[0],
      denominator: denominator!,
      pullback: pullback as Pull,
    };
  });
}

/** The tape's rule of one token at a time, from the last to the first. */
function backward(backend: Backend, { features }: Example, steps: ReturnType<typeof forward>) {
  let later = fill(backend, [1, 1, features + 1, features + 1], 0);
  const found = steps.toReversed().map(({ pullback, phiQ, output, denominator, target }) => {
    const dOutput = target
      ? valueAndGrad(() => halfSquare(sub(output, target)), [output]).gradients[0]
      : fill(backend, output.shape, 0);
    // e = [∂L/∂o / g, -o · ∂L/∂o / g]
    const scaled = reshape(div(dOutput, reshape(denominator, [1, 1, 1, 1])), [features]);
    const delta = sum(mul(reshape(output, [features]), scaled), [0], true);
    const e = reshape(concat([scaled, affine(delta, -1)], 0), [1, features + 1]);
    const [dq, dk, dv, dState] = pullback([dOutput, later]);
    later = dState;
    return { dOutput, dAdded: matmul(phiQ, e), dState, dq, dk, dv };
  });
  return found.toReversed();
}

const halfSquare = (x: Tensor): Tensor => affine(sum(square(x)), 0.5);

const numbersOf = (tokens: readonly Token[], name: 'q' | 'k' | 'v'): number[] => tokens.flatMap((token) => token[name]);

function wholeOf(backend: Backend, { tokens, conditional, features }: Example) {
  const shape = [1, tokens.length, 1, features];
  const [q, k, v] = (['q', 'k', 'v'] as const).map((name) => tensor(backend, numbersOf(tokens, name), shape));
  const targets = tokens.slice(conditional).map((_, i) => tokens[targetOf(conditional + i, conditional)]);
  const y = tensor(backend, numbersOf(targets, 'v'), [1, targets.length, 1, features]);
  const lossOf = (output: Tensor) => halfSquare(sub(slice(output, 1, conditional, tokens.length), y));
  return { q, k, v, lossOf };
}

/** All tokens at once: what the steps must agree with. */
function fullPass(backend: Backend, example: Example) {
  const { q, k, v, lossOf } = wholeOf(backend, example);
  const output = linearAttention(q, k, v, kernel).output;
  const { value, gradients } = valueAndGrad(() => lossOf(linearAttention(q, k, v, kernel).output), [q, k, v]);
  return { output, loss: value, gradients };
}

/** softmax(q kᵀ / √D) with its n × n weights written out, and the gradient of the same loss by them. */
function softmaxPass(backend: Backend, example: Example) {
  const { q, k, v, lossOf } = wholeOf(backend, example);
  const n = example.tokens.length;
  const flat = (x: Tensor) => reshape(x, [n, example.features]);
  // Far enough below every score that exp gives 0.
  const hidden = Array.from({ length: n * n }, (_, at) => (at % n > Math.floor(at / n) ? -1e9 : 0));
  const scores = affine(matmul(flat(q), flat(k), false, true), 1 / Math.sqrt(example.features));
  const unnormalised = exp(add(scores, tensor(backend, hidden, [n, n])));
  const weights = div(unnormalised, sum(unnormalised, [1], true));
  const { gradients } = valueAndGrad(() => lossOf(reshape(matmul(weights, flat(v)), v.shape)), [weights]);
  return { weights, dWeights: gradients[0] };
}
