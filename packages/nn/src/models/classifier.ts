import { type Backend, broadcastTo, div, mean, mul, reshape, scope, sum, type Tensor, ValueError } from '@linattn/math';
import { crossEntropy } from '@linattn/math/network';
import { type GPTNeoXConfig, type GPTNeoXOptions, resolveConfig } from '../config.ts';
import { evaluation } from '../layers/context.ts';
import { Linear } from '../layers/linear.ts';
import { drawn, type ParameterSource, Parameters, under } from '../parameters.ts';
import type { LossOptions } from './gpt-neox.ts';
import { initialSpread, Trunk } from './trunk.ts';

/** A classifier's configuration, with every option resolved. */
export type ClassifierConfig = GPTNeoXConfig & { readonly classes: number };
/** The options of the trunk, and how many classes there are. */
export type ClassifierOptions = GPTNeoXOptions & { readonly classes: number };

/** A class for a whole sequence: the trunk of GPT-NeoX, bidirectional by default, the mean over tokens, one linear layer. */
export class SequenceClassifier {
  readonly backend: Backend;
  readonly config: ClassifierConfig;
  readonly #parameters: Parameters;
  readonly #trunk: Trunk;
  readonly #score: Linear;

  private constructor(backend: Backend, config: ClassifierConfig, parameters: Parameters, from: ParameterSource) {
    const source = parameters.collect(from);
    this.backend = backend;
    this.config = config;
    this.#parameters = parameters;
    this.#trunk = new Trunk(under(source, 'gpt_neox'), config);
    this.#score = new Linear(under(source, 'score'), config.hiddenSize, config.classes, initialSpread(config));
  }

  /** A classifier with fresh parameters. @throws ValueError naming the option at fault. */
  static init(
    backend: Backend,
    { classes, ...options }: ClassifierOptions,
    { seed = 0 }: { readonly seed?: number } = {},
  ): SequenceClassifier {
    if (!(Number.isSafeInteger(classes) && classes > 0)) throw new ValueError('classes', classes, 'an integer > 0');
    const attention = { mask: 'bidirectional', ...(options.attention ?? { type: 'linear' }) } as const;
    const config = { ...resolveConfig({ ...options, attention }), classes };
    return new SequenceClassifier(backend, config, new Parameters(), drawn(backend, seed));
  }

  get parameters(): ReadonlyMap<string, Tensor> {
    return this.#parameters.tensors;
  }

  /** How many values a target may have. */
  get targetSize(): number {
    return this.config.classes;
  }

  /**
   * tokens [B, N] to logits [B, classes]. `weights` [B, N] are 1 at tokens and 0 at padding, which is neither attended to nor pooled;
   * default: no padding.
   */
  logits(tokens: Tensor, { weights, ...options }: LossOptions = {}): Tensor {
    return scope(() => {
      const [batch, length] = tokens.shape;
      const keyWeights =
        weights && broadcastTo(reshape(weights, [batch, length, 1]), [batch, length, this.config.heads]);
      const hidden = this.#trunk.forward(tokens, { ...evaluation, ...options, keyWeights });
      return this.#score.forward(weights ? weightedMean(hidden, weights) : mean(hidden, [1]));
    });
  }

  /** Mean cross entropy, in nats, of targets [B] given tokens [B, N]. */
  loss(tokens: Tensor, targets: Tensor, options: LossOptions = {}): Tensor {
    return scope(() => mean(crossEntropy(this.logits(tokens, options), targets)));
  }

  /** Frees the parameters. */
  dispose(): void {
    this.#trunk.dispose();
    this.#parameters.dispose();
  }
}

/** Σ_n w_n x_n / Σ_n w_n: x [B, N, E], w [B, N]; [B, E]. */
function weightedMean(x: Tensor, weights: Tensor): Tensor {
  const [batch, length] = weights.shape;
  const total = sum(mul(x, reshape(weights, [batch, length, 1])), [1]);
  return div(total, reshape(sum(weights, [1]), [batch, 1]));
}
