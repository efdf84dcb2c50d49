import { defaultDevice, Array as JaxArray, numpy } from '@jax-js/jax';
import { type Backend, TensorUseError, UnsupportedError, ValueError } from '@linattn/math';
import {
  attendBackward,
  attendForward,
  type HostArray,
  type HostAttention,
  type HostAttentionInputs,
  type HostAttentionOptions,
} from '@linattn/math/host';
import { openBackend } from './backend.ts';

/** As of `linearAttention` in @linattn/math, with arrays of jax-js, which are consumed. */
export interface LinearAttentionOptions extends Omit<HostAttentionOptions, 'returnState'> {
  /** [a, b, c], instead of numbers; gets a gradient. */
  readonly coefficients?: JaxArray;
  /** [B, H, 1 + D (+ D² for order 2), D_v + 1], as `linearAttentionWithState` returned it; gets a gradient. */
  readonly initialState?: JaxArray;
  /** m [B, N_k, H]: key n counts m_n times; 0 hides it. No gradient. */
  readonly keyWeights?: JaxArray;
  /** The linattn backend that computes; one whose kernels run at once. Default: the WebAssembly kernels that `ready` opened. */
  readonly backend?: Backend;
}

/** One gradient for each input that has one. */
export interface AttentionGradients {
  q: JaxArray;
  k: JaxArray;
  v: JaxArray;
  /** Where `coefficients` were given. */
  coefficients?: JaxArray;
  /** Where `initialState` was given. */
  initialState?: JaxArray;
}

/** Takes the upstream gradient, which it consumes; may be called more than once. `dispose` frees what it holds on the host. */
export type AttentionPullback<Upstream> = ((upstream: Upstream) => AttentionGradients) & { dispose(): void };

/**
 * Attention with f(x) = a + b x + c x², in O(N D²) time (O(N D³) with c). See `linearAttention` in @linattn/math for the mathematics.
 * q [B, N_q, H, D], k [B, N_k, H, D], v [B, N_k, H, D_v], float32; returns o [B, N_q, H, D_v].
 *
 * Arguments are consumed, as by functions of jax-js: pass `x.ref` to keep x. When it throws, nothing was consumed. It runs at once on
 * the host, and so on arrays only: inside `grad`, `jit`, `vmap` and the like it throws UnsupportedError.
 * @throws ShapeError, ValueError naming the argument; with `strict`, DenominatorError when some g <= 0; DeviceError before `ready`.
 */
export function linearAttention(q: JaxArray, k: JaxArray, v: JaxArray, options: LinearAttentionOptions = {}): JaxArray {
  const { forward, toArray, consume } = run({ q, k, v }, options, false);
  consume();
  return toArray(forward.output);
}

/** The same with the state after all tokens, for chunks of a sequence and for decoding: hand it on as `initialState`. */
export function linearAttentionWithState(
  q: JaxArray,
  k: JaxArray,
  v: JaxArray,
  options: LinearAttentionOptions = {},
): { output: JaxArray; state: JaxArray } {
  const { forward, toArray, consume } = run({ q, k, v }, options, true);
  consume();
  return { output: toArray(forward.output), state: toArray(forward.state!) };
}

/**
 * The output, and the function that pulls its gradient back to the inputs, as `vjp` of jax-js would give them.
 * `const [o, pull] = linearAttentionVjp(q, k, v)`, then `const { q: dq, k: dk, v: dv } = pull(dO)`.
 */
export function linearAttentionVjp(
  q: JaxArray,
  k: JaxArray,
  v: JaxArray,
  options: LinearAttentionOptions = {},
): [JaxArray, AttentionPullback<JaxArray>] {
  const { forward, toArray, consume, pull } = run({ q, k, v }, options, false);
  consume();
  return [toArray(forward.output), pull((output: JaxArray) => ({ output }))];
}

/** Both outputs, and the function that pulls their gradients back; an upstream gradient that is absent is zero. */
export function linearAttentionWithStateVjp(
  q: JaxArray,
  k: JaxArray,
  v: JaxArray,
  options: LinearAttentionOptions = {},
): [{ output: JaxArray; state: JaxArray }, AttentionPullback<{ output?: JaxArray; state?: JaxArray }>] {
  const { forward, toArray, consume, pull } = run({ q, k, v }, options, true);
  consume();
  return [{ output: toArray(forward.output), state: toArray(forward.state!) }, pull((upstream) => upstream)];
}

type Inputs = { readonly [name in keyof HostAttentionInputs]: JaxArray };

function run(
  qkv: Inputs,
  { backend = openBackend(), coefficients, initialState, keyWeights, ...rest }: LinearAttentionOptions,
  returnState: boolean,
) {
  const given = Object.entries({ ...qkv, coefficients, initialState, keyWeights });
  const inputs = given.filter((entry): entry is [keyof Inputs, JaxArray] => entry[1] !== undefined);
  for (const [name, input] of inputs) checkArray(name, input);
  const options: HostAttentionOptions = { ...rest, returnState };
  const arrays = Object.fromEntries(
    inputs.map(([name, input]) => [name, onHost(input)]),
  ) as unknown as HostAttentionInputs;
  const forward = attendForward(backend, arrays, options);
  const { device } = qkv.q;
  const toArray = ({ shape, values }: HostArray): JaxArray =>
    numpy.array(values instanceof Float32Array ? values : Float32Array.from(values), {
      shape: [...shape],
      // Named, it would bind results to the default device, which arguments need not be.
      device: device === defaultDevice() ? undefined : device,
    });
  return {
    forward,
    toArray,
    consume: () => {
      for (const [, input] of inputs) input.dispose();
    },
    pull: <Upstream>(
      read: (upstream: Upstream) => { output?: JaxArray; state?: JaxArray },
    ): AttentionPullback<Upstream> => {
      let held: { arrays: HostAttentionInputs; forward: HostAttention } | undefined = { arrays, forward };
      const pullback = (upstream: Upstream): AttentionGradients => {
        if (!held) throw new TensorUseError('the pullback of linearAttention was used after it was disposed');
        const cotangents = Object.entries(read(upstream)).filter(([, each]) => each !== undefined);
        for (const [name, each] of cotangents) checkArray(`upstream ${name}`, each);
        const read_ = Object.fromEntries(cotangents.map(([name, each]) => [name, onHost(each)]));
        const gradients = attendBackward(backend, held.arrays, held.forward, read_, options);
        for (const [, each] of cotangents) each.dispose();
        const wanted = inputs.filter(([name]) => name !== 'keyWeights');
        return Object.fromEntries(
          wanted.map(([name]) => [name, toArray(gradients[name as keyof AttentionGradients]!)]),
        ) as unknown as AttentionGradients;
      };
      return Object.assign(pullback, {
        dispose: () => {
          held = undefined;
        },
      });
    },
  };
}

function checkArray(name: string, given: unknown): void {
  if (!(given instanceof JaxArray)) {
    // What jax-js traces with has a shape, but no numbers.
    if (typeof given === 'object' && given !== null && 'aval' in given) {
      throw new UnsupportedError(
        'jax-js',
        `${name}: linearAttention inside grad, vjp, jit, vmap or another transformation`,
        'call it between them: see linearAttentionVjp and valueAndGradThrough',
      );
    }
    throw new ValueError(name, given, 'an array of jax-js');
  }
  if (given.dtype !== 'float32') throw new ValueError(name, `an array of ${given.dtype}`, 'an array of float32');
}

const onHost = (x: JaxArray): HostArray => ({ shape: x.shape, values: x.ref.dataSync() as Float32Array });
