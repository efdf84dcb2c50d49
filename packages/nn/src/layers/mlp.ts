import { gelu, silu, type Tensor } from '@linattn/math';
import { type Initializer, type ParameterSource, under } from '../parameters.ts';
import { Linear } from './linear.ts';

/** Nonlinearities of the MLP; `gelu` is the exact one (erf). */
export const activations = { gelu, silu } as const;
/** The function between an MLP's two layers. */
export type Activation = keyof typeof activations;

/** Sizes and activation of an MLP. */
export interface MLPOptions {
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  /** Default `gelu`. */
  readonly activation?: Activation;
  readonly initial?: Initializer;
  /** Of the layer that writes to the residual stream. */
  readonly outputInitial?: Initializer;
}

/** W₂ act(W₁ x + b₁) + b₂, on every token alike. */
export class MLP {
  readonly #up: Linear;
  readonly #down: Linear;
  readonly #activation: (x: Tensor) => Tensor;

  constructor(source: ParameterSource, options: MLPOptions) {
    const { hiddenSize, intermediateSize, activation = 'gelu', initial, outputInitial } = options;
    this.#up = new Linear(under(source, 'dense_h_to_4h'), hiddenSize, intermediateSize, { initial });
    this.#down = new Linear(under(source, 'dense_4h_to_h'), intermediateSize, hiddenSize, { initial: outputInitial });
    this.#activation = activations[activation];
  }

  /** x [..., E] to [..., E]. */
  forward(x: Tensor): Tensor {
    return this.#down.forward(this.#activation(this.#up.forward(x)));
  }
}
