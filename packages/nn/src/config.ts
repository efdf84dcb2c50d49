import { type DecayName, type DropoutMode, decays, dropoutModes } from '@linattn/dropout';
import type { Mask } from '@linattn/math';
import { ensure, oneOf } from './ensure.ts';

/** Attention with a polynomial kernel f(x) = a + b x + c x², or with φ(q)·φ(k) of a feature map. */
export interface LinearAttentionConfig {
  readonly type: 'linear';
  /**
   * `polynomial`: f(q·k), no map. `elu`: elu(x) + 1 (Katharopoulos et al. 2020). `relu`: max(x, 0) + 0.001. `favor`: positive random
   * features of the softmax kernel (FAVOR+, Choromanski et al. 2021). With a map, a = 0, b = 1, c = 0 and nothing is normalised.
   */
  readonly featureMap: 'polynomial' | 'elu' | 'relu' | 'favor';
  /** M of `favor`; the head dimension unless given. */
  readonly features?: number;
  /** Of `favor`'s random directions, which are constants. */
  readonly featureSeed: number;
  readonly a: number;
  readonly b: number;
  readonly c: number;
  /** a, b and c are learned, from these values on, by every layer for itself. */
  readonly learnable: boolean;
  /** 2: c takes part, O(N D³) time; 1: it does not, O(N D²). */
  readonly order: 1 | 2;
  /** `l2` scales q and k to length `radius`, so that no denominator can vanish. */
  readonly normalize: 'l2' | 'none';
  /** r, with `l2`; r² = 0.95 a / |b| unless given (0.95 where the coefficients are learned). */
  readonly radius?: number;
  readonly mask: Mask;
  /** A denominator g <= 0 is an error at the next read. */
  readonly strict: boolean;
}

/** Softmax attention, in tiles: the baseline. */
export interface SoftmaxAttentionConfig {
  readonly type: 'softmax';
  readonly mask: Mask;
}

/** Attention of a layer, with every option resolved. */
export type AttentionConfig = LinearAttentionConfig | SoftmaxAttentionConfig;

/** What stands in for dropout of attention weights; its rate falls over training. */
export interface DropoutConfig {
  /**
   * Softmax attention knows `paper` and `unbiased`, and `weights`: real dropout of its attention weights, with the whole N × N matrix
   * of them in memory, to compare with.
   */
  readonly mode: DropoutMode | 'weights' | 'none';
  /** At the start, in [0, 1). */
  readonly rate: number;
  readonly decay: DecayName;
  /** Share of training at which the decay ends, in (0, 1]. */
  readonly until: number;
}

/** Everything that a GPT-NeoX model is built from, with nothing left to defaults: what a checkpoint stores. */
export interface GPTNeoXConfig {
  readonly vocabSize: number;
  readonly hiddenSize: number;
  readonly layers: number;
  readonly heads: number;
  readonly intermediateSize: number;
  /** Share of each head's features that turn with the position. */
  readonly rotaryFraction: number;
  readonly rotaryBase: number;
  readonly layerNormEpsilon: number;
  readonly parallelResidual: boolean;
  /**
   * Tokens spanned by a causal convolution of the input of each attention and MLP; 0: none, as in GPT-NeoX. Linear attention
   * weighs all of the past smoothly; this lets a layer tell the last few tokens apart.
   */
  readonly shortConvolution: number;
  /** The output layer is the embedding. */
  readonly tieEmbeddings: boolean;
  readonly activation: 'gelu' | 'silu';
  /**
   * `pythia`: normal with √(2 / 5E) ("small init", Nguyen & Salazar 2019), and 2 / (L √E) (Wang & Komatsuzaki 2021) for layers
   * that write to the residual stream. `normal`: 0.02 everywhere.
   */
  readonly initialization: 'pythia' | 'normal';
  readonly attention: AttentionConfig;
  readonly dropout: DropoutConfig;
}

type Options<T> = T extends { type: unknown } ? Pick<T, 'type'> & Partial<T> : never;

/** What a caller gives: sizes, and whatever differs from the defaults. */
export type GPTNeoXOptions = Pick<GPTNeoXConfig, 'vocabSize' | 'hiddenSize' | 'layers' | 'heads'> &
  Partial<Omit<GPTNeoXConfig, 'attention' | 'dropout'>> & {
    readonly attention?: Options<AttentionConfig>;
    readonly dropout?: Partial<DropoutConfig>;
  };

/**
 * Fills in defaults: Pythia's shape, with linear attention of f(x) = 1 + x, normalised and causal.
 * @throws ValueError naming the option.
 */
export function resolveConfig(options: GPTNeoXOptions): GPTNeoXConfig {
  const config: GPTNeoXConfig = {
    intermediateSize: 4 * options.hiddenSize,
    rotaryFraction: 0.25,
    rotaryBase: 10_000,
    layerNormEpsilon: 1e-5,
    parallelResidual: true,
    shortConvolution: 0,
    tieEmbeddings: false,
    activation: 'gelu',
    initialization: 'pythia',
    ...options,
    attention: resolveAttention(options.attention ?? { type: 'linear' }),
    dropout: { mode: 'none', rate: 0, decay: 'linear', until: 1, ...options.dropout },
  };
  checkConfig(config);
  return config;
}

function resolveAttention(options: Options<AttentionConfig>): AttentionConfig {
  if (options.type === 'softmax') return { mask: 'causal', ...options };
  oneOf('attention.type', options.type, ['linear', 'softmax']);
  const polynomial = (options.featureMap ?? 'polynomial') === 'polynomial';
  return {
    featureMap: 'polynomial',
    featureSeed: 0,
    a: polynomial ? 1 : 0,
    b: 1,
    c: 0,
    learnable: false,
    order: options.c ? 2 : 1,
    normalize: polynomial ? 'l2' : 'none',
    mask: 'causal',
    strict: false,
    ...options,
  };
}

function checkConfig(config: GPTNeoXConfig): void {
  for (const name of ['vocabSize', 'hiddenSize', 'layers', 'heads', 'intermediateSize'] as const) {
    ensure(name, config[name], Number.isSafeInteger(config[name]) && config[name] > 0, 'an integer > 0');
  }
  const { hiddenSize, heads, rotaryFraction, rotaryBase, layerNormEpsilon, attention } = config;
  ensure('heads', heads, hiddenSize % heads === 0, `a divisor of hiddenSize ${hiddenSize}`);
  ensure('rotaryFraction', rotaryFraction, rotaryFraction >= 0 && rotaryFraction <= 1, 'a number in [0, 1]');
  ensure(
    'rotaryFraction',
    rotaryFraction,
    rotaryDimensions(config) % 2 === 0,
    `an even number of turning features; it makes ${rotaryDimensions(config)} of ${hiddenSize / heads} a head`,
  );
  ensure('rotaryBase', rotaryBase, rotaryBase > 0 && Number.isFinite(rotaryBase), 'a finite number > 0');
  ensure('layerNormEpsilon', layerNormEpsilon, layerNormEpsilon > 0, 'a number > 0');
  const { shortConvolution: width } = config;
  ensure('shortConvolution', width, Number.isSafeInteger(width) && width >= 0 && width <= 64, 'an integer in [0, 64]');
  oneOf('activation', config.activation, ['gelu', 'silu']);
  oneOf('initialization', config.initialization, ['pythia', 'normal']);
  oneOf('attention.mask', attention.mask, ['causal', 'bidirectional', 'prefix']);
  checkDropout(config);
  if (attention.type === 'softmax') return;
  for (const name of ['a', 'b', 'c'] as const) {
    ensure(`attention.${name}`, attention[name], Number.isFinite(attention[name]), 'a finite number');
  }
  oneOf('attention.normalize', attention.normalize, ['l2', 'none']);
  checkFeatures(attention);
  oneOf('attention.order', attention.order, [1, 2]);
  ensure('attention.order', attention.order, attention.c === 0 || attention.order === 2, '2, where c is not 0');
  const { radius } = attention;
  if (radius !== undefined) {
    ensure('attention.radius', radius, radius > 0 && Number.isFinite(radius), 'a finite number > 0');
    ensure('attention.radius', radius, attention.normalize === 'l2', "none, unless normalize is 'l2'");
  }
}

function checkFeatures(attention: LinearAttentionConfig): void {
  const { featureMap, features } = attention;
  oneOf('attention.featureMap', featureMap, ['polynomial', 'elu', 'relu', 'favor']);
  if (features !== undefined) {
    const holds = featureMap === 'favor' && Number.isSafeInteger(features) && features > 0;
    ensure('attention.features', features, holds, "an integer > 0, with featureMap 'favor' only");
  }
  if (featureMap === 'polynomial') return;
  const required = { a: 0, b: 1, c: 0, learnable: false, normalize: 'none' } as const;
  for (const name of ['a', 'b', 'c', 'learnable', 'normalize'] as const) {
    const [given, expected] = [attention[name], required[name]];
    ensure(`attention.${name}`, given, given === expected, `${expected}, with featureMap '${featureMap}'`);
  }
}

function checkDropout({ dropout, attention }: Pick<GPTNeoXConfig, 'dropout' | 'attention'>): void {
  const { mode, rate, decay, until } = dropout;
  oneOf(
    'dropout.mode',
    mode,
    attention.type === 'softmax' ? ['none', 'paper', 'unbiased', 'weights'] : ['none', ...dropoutModes],
  );
  ensure('dropout.rate', rate, rate >= 0 && rate < 1, 'a number in [0, 1)');
  oneOf('dropout.decay', decay, Object.keys(decays));
  ensure('dropout.until', until, until > 0 && until <= 1, 'a number in (0, 1]');
}

/** How many features of each head turn. */
export const rotaryDimensions = ({ hiddenSize, heads, rotaryFraction }: GPTNeoXConfig): number =>
  Math.floor((hiddenSize / heads) * rotaryFraction);
