import {
  add,
  apply,
  concat,
  defineOp,
  type Maybe,
  MissingGradientError,
  mul,
  pad,
  reshape,
  ShapeError,
  slice,
  sum,
  type Tensor,
} from '@linattn/math';
import type { ParameterSource } from '../parameters.ts';
import type { LayerMemory } from './context.ts';

/** Σ_j weight_j ⊙ padded_{i+j} for i < tokens: padded [B, tokens + width - 1, E], weight [width, E]. */
function slide(padded: Tensor, weight: Tensor, tokens: number): Tensor {
  const terms = Array.from({ length: weight.shape[0] }, (_, j) =>
    mul(slice(padded, 1, j, j + tokens), reshape(slice(weight, 0, j, j + 1), [weight.shape[1]])),
  );
  return terms.reduce(add);
}

/** x with the width - 1 tokens before it, or zeros. */
const withPast = (x: Tensor, past: Maybe<Tensor>, width: number): Tensor =>
  past ? concat([past, x], 1) : pad(x, 1, width - 1, 0);

/** Rows in reverse order: correlation instead of convolution. */
const flipped = (weight: Tensor): Tensor =>
  concat(
    Array.from({ length: weight.shape[0] }, (_, j) => slice(weight, 0, weight.shape[0] - 1 - j, weight.shape[0] - j)),
    0,
  );

// Saves x and the weight only: written as a graph of its own it would hold a copy of x a tap.
const shortConvolutionOp = defineOp<Record<never, never>>({
  name: 'shortConvolution',
  infer: ([x, weight, past]) => {
    const [batch, , channels] = x!.shape;
    const width = weight!.shape[0];
    if (weight!.shape[1] !== channels) throw new ShapeError('weight', weight!.shape, `[width, ${channels}]`);
    if (past && past.shape.join() !== [batch, width - 1, channels].join()) {
      throw new ShapeError('past', past.shape, `[${batch}, ${width - 1}, ${channels}]`);
    }
    return [{ shape: x!.shape, dtype: 'float' }];
  },
  compose: ([x, weight, past]) => [slide(withPast(x!, past, weight!.shape[0]), weight!, x!.shape[1])],
  saves: ([needX, needWeight]) => ({ inputs: [...(needWeight ? [0, 2] : []), ...(needX || needWeight ? [1] : [])] }),
  vjp: ({ needs, inputs: [x, weight, past], inputSpecs: [spec], gradients: [dy] }) => {
    if (needs[2]) throw new MissingGradientError("shortConvolution's past");
    const [width, tokens] = [weight!.shape[0], spec!.shape[1]];
    const taps = () => {
      const padded = withPast(x!, past, width);
      return concat(
        Array.from({ length: width }, (_, j) => sum(mul(dy!, slice(padded, 1, j, j + tokens)), [0, 1])),
        0,
      );
    };
    return [
      needs[0] ? slide(pad(dy!, 1, 0, width - 1), flipped(weight!), tokens) : undefined,
      needs[1] ? reshape(taps(), weight!.shape) : undefined,
      undefined,
    ];
  },
});

/**
 * A causal convolution over a few tokens, each feature for itself: y_i = Σ_j weight_j ⊙ x_{i-width+1+j}. Linear attention weighs
 * all of the past smoothly; this gives it the neighbours sharply (H3, Fu et al. 2023; Mamba, Gu & Dao 2023). It starts as the
 * identity.
 */
export class ShortConvolution {
  readonly #weight: Tensor;
  readonly #width: number;

  constructor(source: ParameterSource, width: number, channels: number) {
    const identity = Array.from({ length: width * channels }, (_, at) => (at >= (width - 1) * channels ? 1 : 0));
    this.#weight = source('weight', [width, channels], identity);
    this.#width = width;
  }

  /** x [B, N, E] to [B, N, E]; remembers the last width - 1 tokens. */
  forward(x: Tensor, memory?: LayerMemory): Tensor {
    const past = memory?.tensors[0];
    const [y] = apply(shortConvolutionOp, [x, this.#weight, past], {});
    if (memory && this.#width > 1) {
      const all = withPast(x, past, this.#width);
      memory.remember(slice(all, 1, x.shape[1], all.shape[1]));
    }
    return y;
  }
}
