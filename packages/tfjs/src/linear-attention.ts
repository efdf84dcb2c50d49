import { type Backend, MissingGradientError, sizeOf, ValueError } from '@linattn/math';
import {
  attendBackward,
  attendForward,
  type HostArray,
  type HostAttentionInputs,
  type HostAttentionOptions,
} from '@linattn/math/host';
import {
  customGrad,
  engine,
  type Rank,
  reshape,
  slice,
  Tensor,
  type Tensor1D,
  type Tensor3D,
  type Tensor4D,
  tensor,
  tidy,
  zeros,
} from '@tensorflow/tfjs-core';
import { openBackend } from './backend.ts';

/** As of `linearAttention` in @linattn/math, with tensors of TensorFlow.js. */
export interface LinearAttentionOptions extends Omit<HostAttentionOptions, 'returnState'> {
  /** [a, b, c], instead of numbers; gets a gradient. */
  readonly coefficients?: Tensor1D;
  /** [B, H, 1 + D (+ D² for order 2), D_v + 1], as `linearAttentionWithState` returned it; gets a gradient. */
  readonly initialState?: Tensor4D;
  /** m [B, N_k, H]: key n counts m_n times; 0 hides it. Asking for its gradient throws MissingGradientError. */
  readonly keyWeights?: Tensor3D;
  /** The linattn backend that computes; one whose kernels run at once. Default: the WebAssembly kernels that `ready` opened. */
  readonly backend?: Backend;
}

/**
 * Attention with f(x) = a + b x + c x² as one operation of TensorFlow.js, with its analytic gradient: O(N D²) time (O(N D³) with
 * c) and O(N D) memory, forward and backward. See `linearAttention` in @linattn/math for the mathematics.
 * q [B, N_q, H, D], k [B, N_k, H, D], v [B, N_k, H, D_v], float32; returns o [B, N_q, H, D_v].
 *
 * It runs synchronously on the host, whatever TensorFlow.js computes on: numbers are read with `dataSync` and written back.
 * @throws ShapeError, ValueError naming the argument; with `strict`, DenominatorError when some g <= 0; DeviceError before `ready`;
 * MissingGradientError for gradients of gradients.
 */
export function linearAttention(q: Tensor4D, k: Tensor4D, v: Tensor4D, options: LinearAttentionOptions = {}): Tensor4D {
  return tidy('linearAttention', () => record({ q, k, v }, options, ({ output }) => output)) as Tensor4D;
}

/**
 * The same with the state after all tokens, for chunks of a sequence and for decoding: hand it on as `initialState`. Both results
 * are differentiable.
 */
export function linearAttentionWithState(
  q: Tensor4D,
  k: Tensor4D,
  v: Tensor4D,
  options: LinearAttentionOptions = {},
): { output: Tensor4D; state: Tensor4D } {
  return tidy('linearAttention', () => {
    let [outputShape, stateShape]: Tensor4D['shape'][] = [];
    // A custom gradient has one output: both go in a row, and are cut apart by operations that TensorFlow.js differentiates.
    const row = record({ q, k, v }, { ...options, returnState: true }, ({ output, state }) => {
      [outputShape, stateShape] = [output.shape, state!.shape] as Tensor4D['shape'][];
      const values = new Float32Array(output.values.length + state!.values.length);
      values.set(output.values);
      values.set(state!.values, output.values.length);
      return { shape: [values.length], values };
    });
    const split = sizeOf(outputShape);
    return {
      output: reshape<Rank.R4>(slice(row, 0, split), outputShape),
      state: reshape<Rank.R4>(slice(row, split), stateShape),
    };
  });
}

type Inputs = { readonly [name in keyof HostAttentionInputs]: Tensor };

/** Runs the operation under TensorFlow.js's tape. `packed` says what the tape sees of the results. */
function record(
  qkv: Inputs,
  {
    backend = openBackend(),
    coefficients,
    initialState,
    keyWeights,
    ...options
  }: LinearAttentionOptions & HostAttentionOptions,
  packed: (forward: ReturnType<typeof attendForward>) => HostArray,
): Tensor {
  const given = Object.entries({ ...qkv, coefficients, initialState, keyWeights });
  const inputs = given.filter((entry): entry is [keyof Inputs, Tensor] => entry[1] !== undefined);
  for (const [name, input] of inputs) checkTensor(name, input);
  const operation = customGrad((..._: unknown[]) => {
    // Numbers that backward needs stay on the host: as tensors they would have to be read a second time.
    const arrays = Object.fromEntries(
      inputs.map(([name, input]) => [name, onHost(input)]),
    ) as unknown as HostAttentionInputs;
    const forward = attendForward(backend, arrays, options);
    const { output, denominator } = forward;
    const gradFunc = (dy: Tensor): Tensor[] => {
      if (engine().isTapeOn()) throw new MissingGradientError("linearAttention's gradient");
      const values = dy.dataSync<'float32'>();
      const split = output.values.length;
      const upstream = {
        output: { shape: output.shape, values: values.subarray(0, split) },
        state: forward.state && { shape: forward.state.shape, values: values.subarray(split) },
      };
      const gradients = attendBackward(backend, arrays, { output, denominator }, upstream, options);
      return inputs.map(([name, { shape }]) => (name === 'keyWeights' ? zeros(shape) : toTensor(gradients[name]!)));
    };
    return { value: toTensor(packed(forward)), gradFunc };
  });
  return operation(...inputs.map(([name, input]) => (name === 'keyWeights' ? withoutGradient(input) : input)));
}

/** The same tensor, whose gradient throws. */
const withoutGradient = customGrad((x: Tensor | unknown) => ({
  value: (x as Tensor).clone(),
  gradFunc: () => {
    throw new MissingGradientError("linearAttention's keyWeights");
  },
})) as (x: Tensor) => Tensor;

function checkTensor(name: string, given: unknown): void {
  if (!(given instanceof Tensor)) throw new ValueError(name, given, 'a tensor of TensorFlow.js');
  if (given.dtype !== 'float32') throw new ValueError(name, `a tensor of ${given.dtype}`, 'a tensor of float32');
}

const onHost = (x: Tensor): HostArray => ({ shape: x.shape, values: x.dataSync<'float32'>() });

/** @param array in float64 where the backend computes so. */
const toTensor = ({ shape, values }: HostArray): Tensor =>
  tensor(values instanceof Float32Array ? values : Float32Array.from(values), [...shape]);
