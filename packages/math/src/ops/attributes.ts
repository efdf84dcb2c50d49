import type { Shape } from '../shape.ts';

/** Elementwise functions of one argument. `step` is 1 for x > 0, else 0; `sign` is -1, 0 or 1; `gelu` is the exact one (erf). */
export const unaryFunctions = [
  'exp',
  'log',
  'sqrt',
  'rsqrt',
  'reciprocal',
  'square',
  'abs',
  'sign',
  'step',
  'tanh',
  'sigmoid',
  'erf',
  'relu',
  'gelu',
  'silu',
  'elu',
  'sin',
  'cos',
] as const;
/** Functions of one number, by the names that kernels know them by. */
export type UnaryFunction = (typeof unaryFunctions)[number];

/**
 * Elementwise functions of two arguments, with broadcasting. `ge` and `eq` give 1 or 0. `fBackward(t, dy)` is dy f'(x), where t
 * is x for relu, gelu, silu and elu, and y = f(x) for tanh and sigmoid.
 */
export const binaryFunctions = [
  'add',
  'sub',
  'mul',
  'div',
  'maximum',
  'minimum',
  'ge',
  'eq',
  'tanhBackward',
  'sigmoidBackward',
  'reluBackward',
  'geluBackward',
  'siluBackward',
  'eluBackward',
] as const;
/** Functions of two numbers, by the names that kernels know them by. */
export type BinaryFunction = (typeof binaryFunctions)[number];

/** What an axis is reduced by. */
export type ReduceFunction = 'sum' | 'max' | 'min';

/** V(i): `causal` n <= i; `bidirectional` all n; `prefix` n <= max(i, prefix - 1). */
export type Mask = 'causal' | 'bidirectional' | 'prefix';

/** What a kernel of `linearAttention` is told beside its tensors. */
export interface LinearAttentionAttributes {
  readonly mask: Mask;
  /** Conditional tokens P; 0 unless `mask` is `prefix`. */
  readonly prefix: number;
  /** 2 when c may be other than 0: f(x) = a + b x + c x². */
  readonly order: 1 | 2;
  /** q and k are scaled to this length first; 0: used as they are. */
  readonly radius: number;
  /** A third output, the final state. */
  readonly returnState: boolean;
}

/** What a kernel of `linearAttentionBackward` is told beside its tensors. */
export interface LinearAttentionBackwardAttributes extends LinearAttentionAttributes {
  /** Whether d(a, b, c) will be read: where not, as when a, b and c are constants, a kernel may leave anything there. */
  readonly coefficientGradients: boolean;
}

/** What a kernel of `softmaxAttention` is told beside its tensors. */
export interface SoftmaxAttentionAttributes {
  readonly mask: Mask;
  readonly prefix: number;
  readonly scale: number;
}

/**
 * T(x, y, z)_i = Σ_n (x_i · y_n) z_n over n <= i (`forward`), n >= i (`reverse`) or all n.
 */
export interface TripleProductAttributes {
  readonly direction: 'forward' | 'reverse' | 'all';
  /** A second output: the state after all tokens, initial + Σ_n y_n z_nᵀ. */
  readonly returnState: boolean;
}

/** What a kernel of `rotary` is told beside its tensors. */
export interface RotaryAttributes {
  /** How many leading features of each head turn (even); the rest pass through. */
  readonly dimensions: number;
  readonly base: number;
  /** Position of the first token. */
  readonly offset: number;
  /** Turns backwards: the gradient. */
  readonly inverse: boolean;
}

/** What a kernel of `random` is told. */
export interface RandomAttributes {
  readonly shape: Shape;
  readonly distribution: 'normal' | 'uniform';
  /** Philox key: two unsigned 32-bit words. */
  readonly key: readonly [number, number];
  /** High words of the counter (for example layer and step); the low one counts blocks of four draws. */
  readonly stream: readonly [number, number];
}

/** What a kernel of `adamW` is told beside its tensors. */
export interface AdamWAttributes {
  readonly learningRate: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  /** 1 for the first update. */
  readonly step: number;
  /** Decoupled decay, one number a parameter. */
  readonly weightDecay: readonly number[];
}

/**
 * Every operation a backend may have a kernel for, with its attributes. Inputs and outputs are told beside each definition.
 * Core operations (a backend must have them): fill, unary, binary, affine, broadcast, reduce, matmul, transpose, slice, pad, concat,
 * gather, scatterAdd, oneHot. All others are composed of these where a kernel is missing.
 */
export interface OpAttributes {
  fill: { readonly shape: Shape; readonly value: number };
  unary: { readonly fn: UnaryFunction };
  binary: { readonly fn: BinaryFunction };
  affine: { readonly scale: number; readonly shift: number };
  reduce: { readonly fn: ReduceFunction; readonly axes: readonly number[]; readonly keepDims: boolean };
  broadcast: { readonly shape: Shape };
  matmul: { readonly transposeA: boolean; readonly transposeB: boolean };
  transpose: { readonly permutation: readonly number[] };
  slice: { readonly axis: number; readonly start: number; readonly end: number };
  pad: { readonly axis: number; readonly before: number; readonly after: number };
  concat: { readonly axis: number };
  gather: Record<never, never>;
  scatterAdd: { readonly rows: number };
  oneHot: { readonly depth: number };

  linear: Record<never, never>;
  random: RandomAttributes;
  rotary: RotaryAttributes;
  l2Normalize: { readonly radius: number };
  l2NormalizeBackward: { readonly radius: number };
  layerNorm: { readonly epsilon: number };
  layerNormBackward: Record<never, never>;
  rmsNorm: { readonly epsilon: number };
  rmsNormBackward: Record<never, never>;
  crossEntropy: Record<never, never>;
  crossEntropyBackward: Record<never, never>;
  linearCrossEntropy: Record<never, never>;
  linearCrossEntropyBackward: Record<never, never>;
  weightedLinearCrossEntropy: Record<never, never>;
  tripleProduct: TripleProductAttributes;
  linearAttention: LinearAttentionAttributes;
  linearAttentionBackward: LinearAttentionBackwardAttributes;
  softmaxAttention: SoftmaxAttentionAttributes;
  softmaxAttentionBackward: SoftmaxAttentionAttributes;
  squaredNorm: Record<never, never>;
  adamW: AdamWAttributes;
}
