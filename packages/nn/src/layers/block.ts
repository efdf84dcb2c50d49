import { add, scope, type Tensor } from '@linattn/math';
import { type ParameterSource, under } from '../parameters.ts';
import { SelfAttention, type SelfAttentionOptions } from './attention.ts';
import type { AttentionMemory, ForwardContext } from './context.ts';
import { MLP, type MLPOptions } from './mlp.ts';
import { LayerNorm } from './norm.ts';

export interface BlockOptions extends SelfAttentionOptions, MLPOptions {
  readonly layerNormEpsilon: number;
  /** x + attention(norm₁ x) + mlp(norm₂ x); otherwise h = x + attention(norm₁ x), then h + mlp(norm₂ h). */
  readonly parallelResidual: boolean;
}

/** One transformer block with pre-normalised residual branches. What backward does not need is freed as the block ends. */
export class Block {
  readonly #attentionNorm: LayerNorm;
  readonly #mlpNorm: LayerNorm;
  readonly #attention: SelfAttention;
  readonly #mlp: MLP;
  readonly #parallel: boolean;

  constructor(source: ParameterSource, options: BlockOptions) {
    const { hiddenSize, layerNormEpsilon, parallelResidual } = options;
    this.#attentionNorm = new LayerNorm(under(source, 'input_layernorm'), hiddenSize, layerNormEpsilon);
    this.#mlpNorm = new LayerNorm(under(source, 'post_attention_layernorm'), hiddenSize, layerNormEpsilon);
    this.#attention = new SelfAttention(under(source, 'attention'), options);
    this.#mlp = new MLP(under(source, 'mlp'), options);
    this.#parallel = parallelResidual;
  }

  /** x [B, N, E] to [B, N, E]. */
  forward(x: Tensor, context: ForwardContext, memory?: AttentionMemory): Tensor {
    return scope(() => {
      const attended = add(x, this.#attention.forward(this.#attentionNorm.forward(x), context, memory));
      return add(attended, this.#mlp.forward(this.#mlpNorm.forward(this.#parallel ? x : attended)));
    });
  }

  dispose(): void {
    this.#attention.dispose();
  }
}
