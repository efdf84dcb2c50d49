import {
  type Backend,
  div,
  fill,
  linear,
  reshape,
  scope,
  slice,
  sum,
  type Tensor,
  UnsupportedError,
  untaped,
  ValueError,
} from '@linattn/math';
import { weightedLinearCrossEntropy } from '@linattn/math/network';
import type { SafetensorsFile } from '../checkpoint/safetensors.ts';
import { stored } from '../checkpoint/weights.ts';
import { type GPTNeoXConfig, type GPTNeoXOptions, resolveConfig } from '../config.ts';
import { BlockMemory, evaluation, type ForwardContext } from '../layers/context.ts';
import { drawn, type ParameterSource, Parameters, under } from '../parameters.ts';
import { initialSpread, Trunk } from './trunk.ts';

/** What `loss` takes besides tokens and targets. */
export interface LossOptions extends Partial<ForwardContext> {
  /** `[B, N]`: how much each position's loss counts; default 1. The mean is over the weights. */
  readonly weights?: Tensor;
}

/** The model's place in a text: what its layers remember of the tokens so far. Dispose it when done. */
export class DecodingState {
  readonly memories: readonly BlockMemory[];
  /** Tokens so far. */
  position = 0;

  constructor(layers: number) {
    this.memories = Array.from({ length: layers }, () => new BlockMemory());
  }

  /** Frees what it holds on the backend. */
  dispose(): void {
    for (const memory of this.memories) memory.dispose();
  }
}

/**
 * GPT-NeoX (Black et al. 2022), the model of Pythia, with linear or softmax attention. Parameters carry Hugging Face's names.
 */
export class GPTNeoX {
  readonly backend: Backend;
  readonly config: GPTNeoXConfig;
  readonly #parameters: Parameters;
  readonly #trunk: Trunk;
  /** [vocabSize, hiddenSize] */
  readonly #unembedding: Tensor;

  private constructor(backend: Backend, config: GPTNeoXConfig, parameters: Parameters, from: ParameterSource) {
    const { vocabSize, hiddenSize, tieEmbeddings } = config;
    const source = parameters.collect(from);
    this.backend = backend;
    this.config = config;
    this.#parameters = parameters;
    this.#trunk = new Trunk(under(source, 'gpt_neox'), config);
    this.#unembedding = tieEmbeddings
      ? this.#trunk.embedding.weight
      : source('embed_out.weight', [vocabSize, hiddenSize], initialSpread(config).initial);
  }

  /**
   * A model with fresh parameters, the same on every backend for the same seed.
   * @throws ValueError naming the option at fault.
   */
  static init(backend: Backend, options: GPTNeoXOptions, { seed = 0 }: { readonly seed?: number } = {}): GPTNeoX {
    return GPTNeoX.from(backend, options, drawn(backend, seed));
  }

  /**
   * A model with the parameters of a safetensors file, Hugging Face's own of a Pythia for example.
   * @throws FormatError naming the file and a tensor that is missing, of another shape, or without a place in the model.
   */
  static load(backend: Backend, options: GPTNeoXOptions, file: SafetensorsFile): GPTNeoX {
    const { source, checkAllUsed } = stored(backend, file);
    const model = GPTNeoX.from(backend, options, source);
    try {
      checkAllUsed(model.config.tieEmbeddings);
      return model;
    } catch (error) {
      model.dispose();
      throw error;
    }
  }

  /** A model whose parameters `source` gives by name. */
  static from(backend: Backend, options: GPTNeoXOptions, source: ParameterSource): GPTNeoX {
    const parameters = new Parameters();
    try {
      return new GPTNeoX(backend, resolveConfig(options), parameters, source);
    } catch (error) {
      parameters.dispose();
      throw error;
    }
  }

  /** How many values a target may have. */
  get targetSize(): number {
    return this.config.vocabSize;
  }

  /** By Hugging Face's names. */
  get parameters(): ReadonlyMap<string, Tensor> {
    return this.#parameters.tensors;
  }

  /** tokens [B, N] (int32) to logits [B, N, vocabSize]. */
  logits(tokens: Tensor, options: Partial<ForwardContext> = {}): Tensor {
    return scope(() => linear(this.#trunk.forward(tokens, { ...evaluation, ...options }), this.#unembedding));
  }

  /**
   * Mean cross entropy, in nats a token, of targets [B, N] given tokens [B, N]. Logits are never held for all tokens.
   */
  loss(tokens: Tensor, targets: Tensor, { weights, ...options }: LossOptions = {}): Tensor {
    return scope(() => {
      const hidden = this.#trunk.forward(tokens, { ...evaluation, ...options });
      return weightedLinearCrossEntropy(
        reshape(hidden, [-1, this.config.hiddenSize]),
        this.#unembedding,
        reshape(targets, [targets.size]),
        weights ? shares(weights) : fill(this.backend, [targets.size], 1 / targets.size),
      );
    });
  }

  /** Where decoding begins: nothing remembered yet. */
  start(): DecodingState {
    return new DecodingState(this.config.layers);
  }

  /**
   * Takes in the next n tokens [B, n] and gives the logits [B, vocabSize] of the token after them; `state` moves on. With the
   * mask `prefix`, the first call holds at least the `prefix` conditional tokens.
   */
  decode(tokens: Tensor, state: DecodingState, { prefix }: { readonly prefix?: number } = {}): Tensor {
    const { mask } = this.config.attention;
    if (mask === 'bidirectional') throw new ValueError('attention.mask', mask, 'causal | prefix, to decode');
    return untaped(() =>
      scope(() => {
        const context = { ...evaluation, prefix, position: state.position };
        const hidden = this.#trunk.forward(tokens, context, state.memories);
        state.position += tokens.shape[1];
        const last = slice(hidden, 1, tokens.shape[1] - 1, tokens.shape[1]);
        return linear(reshape(last, [-1, this.config.hiddenSize]), this.#unembedding);
      }),
    );
  }

  /**
   * Stores the weights of linear layers and of the embedding in float16, where the backend can: half the memory, and half the bytes that a token
   * has to read. For inference: it still computes in its own type, but an optimiser cannot update such parameters. Those of a checkpoint
   * made after are the rounded ones.
   * @throws UnsupportedError where the backend has no storage in float16.
   */
  storeInFloat16(): void {
    const { backend } = this;
    if (!backend.toFloat16) {
      throw new UnsupportedError(
        backend.name,
        'storage in float16',
        'use a backend that has toFloat16, such as webgpu',
      );
    }
    for (const [name, parameter] of this.parameters) {
      if (isMatrix(name, parameter)) parameter.assign(backend.toFloat16(parameter));
    }
  }

  /** Frees what it holds on the backend. */
  dispose(): void {
    this.#trunk.dispose();
    this.#parameters.dispose();
  }
}

/** What products and look-ups read: the weights of convolutions, [width, channels], are neither. */
const isMatrix = (name: string, { rank }: Tensor): boolean => rank === 2 && !name.includes('convolution');

/** weights [B, N] / Σ weights; [B N]. */
const shares = (weights: Tensor): Tensor => div(reshape(weights, [weights.size]), sum(weights));
