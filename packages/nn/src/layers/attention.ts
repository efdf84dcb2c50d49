import { reshape, slice, type Tensor } from '@linattn/math';
import { rotary } from '@linattn/math/network';
import type { AttentionConfig, DropoutConfig } from '../config.ts';
import { type Initializer, type ParameterSource, under } from '../parameters.ts';
import { LinearKernel } from './attention-linear.ts';
import { SoftmaxKernel } from './attention-softmax.ts';
import type { ForwardContext, LayerMemory } from './context.ts';
import { Linear } from './linear.ts';

/** The part that differs between attentions: q, k, v [B, N, H, D] to o [B, N, H, D]. */
export interface AttentionKernel {
  forward(q: Tensor, k: Tensor, v: Tensor, context: ForwardContext, memory?: LayerMemory): Tensor;
  /** Frees constants; parameters belong to the model. */
  dispose(): void;
}

/** Sizes, kernel and positions of one attention layer. */
export interface SelfAttentionOptions {
  readonly hiddenSize: number;
  readonly heads: number;
  /** Leading features of each head that turn with the position (even); 0 for none. */
  readonly rotaryDimensions: number;
  readonly rotaryBase: number;
  readonly attention: AttentionConfig;
  readonly dropout: DropoutConfig;
  /** Its number: layers draw different noise. */
  readonly layer: number;
  readonly initial?: Initializer;
  /** Of the layer that writes to the residual stream. */
  readonly outputInitial?: Initializer;
}

/** Multi-head self-attention, with q and k turned by their positions (partial rotary, as in GPT-NeoX). */
export class SelfAttention {
  readonly #options: SelfAttentionOptions;
  readonly #queryKeyValue: Linear;
  readonly #kernel: AttentionKernel;
  readonly #output: Linear;

  constructor(source: ParameterSource, options: SelfAttentionOptions) {
    const { hiddenSize, attention, dropout, layer, initial, outputInitial } = options;
    this.#options = options;
    this.#queryKeyValue = new Linear(under(source, 'query_key_value'), hiddenSize, 3 * hiddenSize, { initial });
    this.#kernel =
      attention.type === 'linear'
        ? new LinearKernel(source, attention, dropout, layer)
        : new SoftmaxKernel(attention, dropout, layer);
    this.#output = new Linear(under(source, 'dense'), hiddenSize, hiddenSize, { initial: outputInitial });
  }

  /** x [B, N, E] to [B, N, E]. */
  forward(x: Tensor, context: ForwardContext, memory?: LayerMemory): Tensor {
    const { hiddenSize, heads, rotaryDimensions, rotaryBase } = this.#options;
    const [batch, tokens] = x.shape;
    const headDim = hiddenSize / heads;
    // Each head's rows of the projection are its own [q, k, v], as Hugging Face stores them.
    const projected = reshape(this.#queryKeyValue.forward(x), [batch, tokens, heads, 3 * headDim]);
    const [q, k, v] = [0, 1, 2].map((part) => slice(projected, 3, part * headDim, (part + 1) * headDim));
    const turn = (head: Tensor) =>
      rotaryDimensions === 0
        ? head
        : rotary(head, { dimensions: rotaryDimensions, base: rotaryBase, offset: context.position });
    const o = this.#kernel.forward(turn(q), turn(k), v, context, memory);
    return this.#output.forward(reshape(o, [batch, tokens, hiddenSize]));
  }

  /** Frees what it drew for itself. */
  dispose(): void {
    this.#kernel.dispose();
  }
}
