import { linear, type Tensor } from '@linattn/math';
import type { Initializer, ParameterSource } from '../parameters.ts';

/** y = x Wᵀ + b: [..., inputs] to [..., outputs]. */
export class Linear {
  readonly weight: Tensor;
  readonly bias?: Tensor;

  constructor(
    source: ParameterSource,
    inputs: number,
    outputs: number,
    options: { readonly initial?: Initializer; readonly bias?: boolean } = {},
  ) {
    const { initial = { std: 0.02 }, bias = true } = options;
    this.weight = source('weight', [outputs, inputs], initial);
    if (bias) this.bias = source('bias', [outputs], 0);
  }

  /** x [..., inputs] to [..., outputs]: x Wᵀ + bias. */
  forward(x: Tensor): Tensor {
    return linear(x, this.weight, this.bias);
  }
}
