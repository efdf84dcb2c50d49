import { type DropoutOptions, noisyAttention } from '@linattn/dropout';
import type { LinearAttentionOptions, Tensor } from '@linattn/math';
import type { DropoutConfig, LinearAttentionConfig } from '../config.ts';
import type { ParameterSource } from '../parameters.ts';
import type { AttentionKernel } from './attention.ts';
import type { ForwardContext, LayerMemory } from './context.ts';
import { LayerFeatures } from './features.ts';
import { type Noise, noiseOf } from './noise.ts';

/**
 * o_i = Σ_{n∈V(i)} f(q_i·k_n) v_n / Σ_{n∈V(i)} f(q_i·k_n) with f(x) = a + b x + c x², in O(N D²) time. Its memory when decoding is
 * the state Σ ψ(k) [v, 1]ᵀ: the same few numbers after any number of tokens.
 */
export class LinearKernel implements AttentionKernel {
  readonly #config: LinearAttentionConfig;
  readonly #coefficients?: Tensor;
  readonly #features: LayerFeatures;
  readonly #noise: Noise;

  constructor(source: ParameterSource, config: LinearAttentionConfig, dropout: DropoutConfig, layer: number) {
    this.#config = config;
    this.#features = new LayerFeatures(config, layer);
    this.#noise = noiseOf(dropout, layer);
    if (config.learnable) this.#coefficients = source('coefficients', [3], [config.a, config.b, config.c]);
  }

  forward(q: Tensor, k: Tensor, v: Tensor, context: ForwardContext, memory?: LayerMemory): Tensor {
    const { a, b, c, order, normalize, radius, mask, strict } = this.#config;
    const [initialState] = memory?.tensors ?? [];
    const attention: LinearAttentionOptions = {
      ...(this.#coefficients ? { coefficients: this.#coefficients, order } : { a, b, c }),
      // Tokens that follow a remembered prefix see all of it, and each other causally.
      ...(initialState ? { mask: 'causal' } : { mask, prefix: mask === 'prefix' ? context.prefix : undefined }),
      ...(normalize === 'l2' ? { normalize, radius } : {}),
      initialState,
      returnState: memory !== undefined,
      keyWeights: context.keyWeights,
      strict,
    };
    // The configuration keeps the mode `weights` to softmax.
    const noise = this.#noise(context) as DropoutOptions | undefined;
    const { output, state } = noisyAttention(...this.#features.forward(q, k), v, attention, noise);
    if (state) memory!.remember(state);
    return output;
  }

  dispose(): void {
    this.#features.dispose();
  }
}
