import { add, scope, type Tensor } from '@linattn/math';
import { type ParameterSource, under } from '../parameters.ts';
import { SelfAttention, type SelfAttentionOptions } from './attention.ts';
import type { BlockMemory, ForwardContext, LayerMemory } from './context.ts';
import { MLP, type MLPOptions } from './mlp.ts';
import { LayerNorm } from './norm.ts';
import { ShortConvolution } from './short-convolution.ts';

/** One layer of a transformer: attention, MLP, and how they are joined. */
export interface BlockOptions extends SelfAttentionOptions, MLPOptions {
  readonly layerNormEpsilon: number;
  /** x + attention(norm₁ x) + mlp(norm₂ x); otherwise h = x + attention(norm₁ x), then h + mlp(norm₂ h). */
  readonly parallelResidual: boolean;
  /** Tokens that a causal convolution of each branch's input spans; 0: none. */
  readonly shortConvolution: number;
}

/** One transformer block with pre-normalised residual branches. What backward does not need is freed as the block ends. */
export class Block {
  readonly #attentionNorm: LayerNorm;
  readonly #mlpNorm: LayerNorm;
  readonly #attention: SelfAttention;
  readonly #mlp: MLP;
  readonly #parallel: boolean;
  readonly #attentionConvolution?: ShortConvolution;
  readonly #mlpConvolution?: ShortConvolution;

  constructor(source: ParameterSource, options: BlockOptions) {
    const { hiddenSize, layerNormEpsilon, parallelResidual, shortConvolution: width } = options;
    this.#attentionNorm = new LayerNorm(under(source, 'input_layernorm'), hiddenSize, layerNormEpsilon);
    this.#mlpNorm = new LayerNorm(under(source, 'post_attention_layernorm'), hiddenSize, layerNormEpsilon);
    this.#attention = new SelfAttention(under(source, 'attention'), options);
    this.#mlp = new MLP(under(source, 'mlp'), options);
    this.#parallel = parallelResidual;
    if (width > 0) {
      this.#attentionConvolution = new ShortConvolution(under(source, 'attention_convolution'), width, hiddenSize);
      this.#mlpConvolution = new ShortConvolution(under(source, 'mlp_convolution'), width, hiddenSize);
    }
  }

  /** x [B, N, E] to [B, N, E]. */
  forward(x: Tensor, context: ForwardContext, memory?: BlockMemory): Tensor {
    return scope(() => {
      const near = (input: Tensor, convolution?: ShortConvolution, past?: LayerMemory) =>
        convolution ? convolution.forward(input, past) : input;
      const seen = near(this.#attentionNorm.forward(x), this.#attentionConvolution, memory?.attentionInput);
      const attended = add(x, this.#attention.forward(seen, context, memory?.attention));
      const normed = this.#mlpNorm.forward(this.#parallel ? x : attended);
      return add(attended, this.#mlp.forward(near(normed, this.#mlpConvolution, memory?.mlpInput)));
    });
  }

  /** Frees what its layers drew for themselves. */
  dispose(): void {
    this.#attention.dispose();
  }
}
