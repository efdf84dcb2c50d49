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
export type AttentionPullback<Upstream> = ((upstream: Upstream) => AttentionGradients) & {
  /** Frees it; a second call does nothing. */
  dispose(): void;
};

/**
 * Attention with f(x) = a + b x + c x², in O(N D²) time (O(N D³) with c). See `linearAttention` in @linattn/math for the mathematics.
 * q [B, N_q, H, D], k [B, N_k, H, D], v [B, N_k, H, D_v], float32; returns o [B, N_q, H, D_v].
 *
 * Arguments are consumed, as by functions of jax-js: pass `x.ref` to keep x. When it throws, nothing was consumed. It runs at once on
 * the host, and so on arrays only: inside `grad`, `jit`, `vmap` and the like it throws UnsupportedError.
 * @throws ShapeError, ValueError naming the argument; with `strict`, DenominatorError when some g <= 0; DeviceError before `ready`.
 */
export function linearAttention(q: JaxArray, k: JaxArray, v: JaxArray, options: LinearAttentionOptions = {}): JaxArray {
  const { forward, toArray } = call(q, k, v, options, false);
  return toArray(forward.output);
}

/** The same with the state after all tokens, for chunks of a sequence and for decoding: hand it on as `initialState`. */
export function linearAttentionWithState(
  q: JaxArray,
  k: JaxArray,
  v: JaxArray,
  options: LinearAttentionOptions = {},
): { output: JaxArray; state: JaxArray } {
  const { forward, toArray } = call(q, k, v, options, true);
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
  const own = call(q, k, v, options, false);
  const { pullback, dispose } = pullbackOf(own);
  return [own.toArray(own.forward.output), Object.assign((output: JaxArray) => pullback({ output }), { dispose })];
}

/** Both outputs, and the function that pulls their gradients back; an upstream gradient that is absent is zero. */
export function linearAttentionWithStateVjp(
  q: JaxArray,
  k: JaxArray,
  v: JaxArray,
  options: LinearAttentionOptions = {},
): [{ output: JaxArray; state: JaxArray }, AttentionPullback<{ output?: JaxArray; state?: JaxArray }>] {
  const own = call(q, k, v, options, true);
  const { pullback, dispose } = pullbackOf(own);
  const { forward, toArray } = own;
  return [{ output: toArray(forward.output), state: toArray(forward.state!) }, Object.assign(pullback, { dispose })];
}

type ToArray = (array: HostArray) => JaxArray;

/** One call of attention, with what its gradient needs. */
interface Call {
  readonly backend: Backend;
  readonly arrays: HostAttentionInputs;
  readonly options: HostAttentionOptions;
  readonly forward: HostAttention;
  readonly toArray: ToArray;
}

/** Checks, computes, and only then consumes the inputs. */
function call(
  q: JaxArray,
  k: JaxArray,
  v: JaxArray,
  { backend = openBackend(), coefficients, initialState, keyWeights, ...rest }: LinearAttentionOptions,
  returnState: boolean,
): Call {
  const options = { ...rest, returnState };
  const inputs = present({ q, k, v, coefficients, initialState, keyWeights });
  const arrays = read(inputs) as unknown as HostAttentionInputs;
  const toArray = arrayLike(q);
  const forward = attendForward(backend, arrays, options);
  for (const input of Object.values(inputs)) input.dispose();
  return { backend, arrays, options, forward, toArray };
}

function pullbackOf(call: Call) {
  let held: Call | undefined = call;
  const pullback = (upstream: { readonly output?: JaxArray; readonly state?: JaxArray }): AttentionGradients => {
    if (!held) throw new TensorUseError('the pullback of linearAttention was used after it was disposed');
    const { backend, arrays, options, forward, toArray } = held;
    const cotangents = present({ output: upstream.output, state: upstream.state });
    const { q, k, v, coefficients, initialState } = attendBackward(backend, arrays, forward, read(cotangents), options);
    for (const cotangent of Object.values(cotangents)) cotangent.dispose();
    return {
      q: toArray(q),
      k: toArray(k),
      v: toArray(v),
      ...(arrays.coefficients ? { coefficients: toArray(coefficients) } : {}),
      ...(initialState ? { initialState: toArray(initialState) } : {}),
    };
  };
  const dispose = () => {
    held = undefined;
  };
  return { pullback, dispose };
}

/** Those of the named values that are there. */
const present = (values: { readonly [name: string]: JaxArray | undefined }): { [name: string]: JaxArray } =>
  Object.fromEntries(Object.entries(values).filter((entry): entry is [string, JaxArray] => entry[1] !== undefined));

/** Their numbers; the arrays stay as they are. */
function read(inputs: { readonly [name: string]: JaxArray }): { [name: string]: HostArray } {
  for (const [name, input] of Object.entries(inputs)) checkArray(name, input);
  const onHost = (x: JaxArray): HostArray => ({ shape: x.shape, values: x.ref.dataSync() as Float32Array });
  return Object.fromEntries(Object.entries(inputs).map(([name, input]) => [name, onHost(input)]));
}

/** Makes arrays on the device of `x`. */
function arrayLike(x: JaxArray): ToArray {
  // Naming the default device would bind results to it, which the arguments need not be.
  const device = x.device === defaultDevice() ? undefined : x.device;
  return ({ shape, values }) =>
    numpy.array(values instanceof Float32Array ? values : Float32Array.from(values), { shape: [...shape], device });
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
