import type { Tensor } from '@linattn/math';
import { layerNorm, rmsNorm } from '@linattn/math/network';
import type { ParameterSource } from '../parameters.ts';

/** (x - mean) / √(var + epsilon) · weight + bias over the last axis (Ba et al. 2016). */
export class LayerNorm {
  readonly weight: Tensor;
  readonly bias: Tensor;

  constructor(
    source: ParameterSource,
    width: number,
    readonly epsilon = 1e-5,
  ) {
    this.weight = source('weight', [width], 1);
    this.bias = source('bias', [width], 0);
  }

  /** x [..., E] to the same shape. */
  forward(x: Tensor): Tensor {
    return layerNorm(x, this.weight, this.bias, this.epsilon);
  }
}

/** x / √(mean x² + epsilon) · weight over the last axis (Zhang & Sennrich 2019). */
export class RMSNorm {
  readonly weight: Tensor;

  constructor(
    source: ParameterSource,
    width: number,
    readonly epsilon = 1e-6,
  ) {
    this.weight = source('weight', [width], 1);
  }

  /** x [..., E] to the same shape. */
  forward(x: Tensor): Tensor {
    return rmsNorm(x, this.weight, this.epsilon);
  }
}
