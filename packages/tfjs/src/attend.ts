import type { HostAttentionOptions } from '@linattn/math/host';
import type { Tensor } from '@tensorflow/tfjs-core';

/** Tensors by the name of the argument. */
export type Inputs = { readonly [name: string]: Tensor | undefined };

/** One way to compute attention and its gradients on TensorFlow.js's tensors, outside of its tape. */
export type Attend = (
  inputs: Inputs,
  options: HostAttentionOptions,
) => {
  readonly output: Tensor;
  readonly state?: Tensor;
  /** What TensorFlow.js's tape must hold for `backward`. */
  readonly saved: Tensor[];
  /** Gradients by the name of the input. */
  backward(saved: readonly Tensor[], upstream: { readonly output: Tensor; readonly state?: Tensor }): Inputs;
};
