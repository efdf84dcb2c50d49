import { type Backend, MissingGradientError, sizeOf, ValueError } from '@linattn/math';
import type { HostAttentionOptions } from '@linattn/math/host';
import {
  concat,
  customGrad,
  engine,
  type GradSaveFunc,
  reshape,
  slice,
  Tensor,
  type Tensor1D,
  type Tensor3D,
  type Tensor4D,
  tidy,
  zeros,
} from '@tensorflow/tfjs-core';
import { openBackend } from './backend.ts';
import { attendOnDevice, sharesMemory } from './on-device.ts';
import { attendOnHost } from './on-host.ts';

/** As of `linearAttention` in @linattn/math, with tensors of TensorFlow.js. */
export interface LinearAttentionOptions extends Omit<HostAttentionOptions, 'returnState'> {
  /** [a, b, c], instead of numbers; gets a gradient. */
  readonly coefficients?: Tensor1D;
  /** [B, H, 1 + D (+ D² for order 2), D_v + 1], as `linearAttentionWithState` returned it; gets a gradient. */
  readonly initialState?: Tensor4D;
  /** m [B, N_k, H]: key n counts m_n times; 0 hides it. Asking for its gradient throws MissingGradientError. */
  readonly keyWeights?: Tensor3D;
  /**
   * The linattn backend that computes: one whose kernels run at once, or, where TensorFlow.js runs on tfjs-backend-webgpu,
   * @linattn/kernels-webgpu opened on its device. Default: the WebAssembly kernels that `ready` opened.
   */
  readonly backend?: Backend;
}

/**
 * Attention with f(x) = a + b x + c x² as one operation of TensorFlow.js, with its analytic gradient: O(N D²) time (O(N D³) with
 * c) and O(N D) memory, forward and backward. See `linearAttention` in @linattn/math for the mathematics.
 * q [B, N_q, H, D], k [B, N_k, H, D], v [B, N_k, H, D_v], float32; returns o [B, N_q, H, D_v].
 *
 * It runs synchronously on the host, whatever TensorFlow.js computes on: numbers are read with `dataSync` and written back. With a
 * `backend` on tfjs-backend-webgpu's own device it stays in that device's memory.
 * @throws ShapeError, ValueError naming the argument; with `strict`, DenominatorError when some g <= 0 (on a GPU: UnsupportedError);
 * DeviceError before `ready`; MissingGradientError for gradients of gradients.
 */
export function linearAttention(q: Tensor4D, k: Tensor4D, v: Tensor4D, options: LinearAttentionOptions = {}): Tensor4D {
  return tidy('linearAttention', () => record({ q, k, v }, options).value) as Tensor4D;
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
    const { value, outputShape, stateShape } = record({ q, k, v }, { ...options, returnState: true });
    return cut(value, outputShape, stateShape!) as { output: Tensor4D; state: Tensor4D };
  });
}

/** Runs the operation under TensorFlow.js's tape. */
function record(
  qkv: { readonly q: Tensor; readonly k: Tensor; readonly v: Tensor },
  {
    backend = openBackend(),
    coefficients,
    initialState,
    keyWeights,
    ...options
  }: LinearAttentionOptions & HostAttentionOptions,
): { readonly value: Tensor; readonly outputShape: Tensor4D['shape']; readonly stateShape?: Tensor4D['shape'] } {
  const given = Object.entries({ ...qkv, coefficients, initialState, keyWeights });
  const inputs = given.filter((entry): entry is [string, Tensor] => entry[1] !== undefined);
  for (const [name, input] of inputs) checkTensor(name, input);
  const attend = sharesMemory(backend) ? attendOnDevice(backend) : attendOnHost(backend);
  let [outputShape, stateShape]: (Tensor4D['shape'] | undefined)[] = [];
  const operation = customGrad((...args: unknown[]) => {
    const forward = attend(Object.fromEntries(inputs), options);
    const { output, state } = forward;
    (args.at(-1) as GradSaveFunc)(forward.saved);
    [outputShape, stateShape] = [output.shape, state?.shape] as Tensor4D['shape'][];
    const gradFunc = (dy: Tensor, saved: Tensor[]): Tensor[] => {
      if (engine().isTapeOn()) throw new MissingGradientError("linearAttention's gradient");
      const gradients = forward.backward(saved, state ? cut(dy, output.shape, state.shape) : { output: dy });
      return inputs.map(([name, { shape }]) => gradients[name] ?? zeros(shape));
    };
    // A custom gradient has one output: both go in a row, and are cut apart by operations that TensorFlow.js differentiates.
    return { value: state ? concat([reshape(output, [-1]), reshape(state, [-1])]) : output, gradFunc };
  });
  const value = operation(
    ...inputs.map(([name, input]) => (name === 'keyWeights' ? withoutGradient(input) : input)),
  ) as Tensor;
  return { value, outputShape: outputShape!, stateShape };
}

/** A row of both results as two tensors. */
function cut(row: Tensor, outputShape: number[], stateShape: number[]): { output: Tensor; state: Tensor } {
  const at = sizeOf(outputShape);
  return { output: reshape(slice(row, 0, at), outputShape), state: reshape(slice(row, at), stateShape) };
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
