import {
  add,
  affine,
  apply,
  checkShape,
  concat,
  defineOp,
  fill,
  ge,
  type LinearAttentionOptions,
  linearAttention,
  type Maybe,
  mul,
  type PhiloxKey,
  random,
  reshape,
  slice,
  sub,
  type Tensor,
  vjp,
} from '@linattn/math';
import { type DropoutOptions, resolveDropout } from './options.ts';

// Dropping keys changes o_i, to first order in the mask, by Σ_n a_in ε_n (v_n - o_i), where ε_n = mask_n / (1-p) - 1 has mean 0 and
// variance p/(1-p). Gaussian ε_n, one a key, give that sum as attention over the values ε_n [v_n, 1]: its covariance over the
// features is exactly p/(1-p) Σ_n a_in² (v_n - o_i)(v_n - o_i)ᵀ, in O(N D²). Queries would share their noise, as they do not in
// real dropout; a random sign a query, η_i, makes the noises of any two queries uncorrelated and leaves each one's law as it was.

type Attention = Omit<
  LinearAttentionOptions,
  'coefficients' | 'initialState' | 'keyWeights' | 'returnState' | 'strict'
>;

interface MatchedNoiseAttributes {
  readonly attention: Attention;
  readonly rate: number;
  readonly key: PhiloxKey;
  readonly stream: readonly [number, number];
}

/** Signs are drawn under a key of their own, so that they share no words with ε. */
const signKey = ([low, high]: PhiloxKey): PhiloxKey => [low, ~high >>> 0];

/** The tokens folded into a state can no longer be dropped: they count in g with ε = 0. */
function silent(state: Tensor, width: number): Tensor {
  const [batch, heads, rows] = state.shape;
  return concat([fill(state.backend, [batch, heads, rows, width + 1], 0), slice(state, 3, width, width + 1)], 3);
}

/** õ + η (Σ_n a_in ε_n v_n - õ Σ_n a_in ε_n) */
function withNoise(inputs: readonly Maybe<Tensor>[], attributes: MatchedNoiseAttributes): Tensor {
  const [q, k, v, o] = inputs as Tensor[];
  const [, , , , coefficients, state, keyWeights] = inputs;
  const { attention, rate, key, stream } = attributes;
  const { backend } = o;
  const width = v.shape[3];
  const perKey = [...k.shape.slice(0, 3), 1];
  const perQuery = [...q.shape.slice(0, 3), 1];
  const normal = random(backend, { shape: perKey, distribution: 'normal', key, stream });
  const epsilon = affine(normal, Math.sqrt(rate / (1 - rate)));
  const uniform = random(backend, { shape: perQuery, distribution: 'uniform', key: signKey(key), stream });
  const eta = affine(ge(uniform, fill(backend, [1], 0.5)), 2, -1);
  const { output } = linearAttention(q, k, concat([mul(v, epsilon), epsilon], 3), {
    ...attention,
    coefficients,
    initialState: state && silent(state, width),
    keyWeights,
  });
  const change = sub(slice(output, 3, 0, width), mul(o, slice(output, 3, width, width + 1)));
  return add(o, mul(reshape(eta, perQuery), change));
}

/** Inputs q, k, v, o, coefficients?, state?, keyWeights?. Saves its inputs, which attention saves too; draws, and attends, again. */
const matchedNoiseOp = defineOp<MatchedNoiseAttributes>({
  name: 'matchedNoise',
  infer: ([q, , v, o]) => {
    checkShape('o', o!.shape, [...q!.shape.slice(0, 3), v!.shape[3]]);
    return [{ shape: o!.shape, dtype: 'float' }];
  },
  compose: (inputs, attributes) => [withNoise(inputs, attributes)],
  saves: () => ({ inputs: [0, 1, 2, 3, 4, 5, 6] }),
  vjp: ({ attributes, needs, inputs, gradients: [dy] }) => {
    const wanted = inputs.filter((_, i) => needs[i]) as Tensor[];
    const { pullback } = vjp(() => [withNoise(inputs, attributes)], wanted);
    const found = pullback([dy!]).map((gradient) => {
      // They come in no scope; a view moves them into the caller's.
      const own = gradient.view();
      gradient.dispose();
      return own;
    });
    return needs.map((need) => (need ? found.shift() : undefined));
  },
});

/**
 * õ plus zero-mean Gaussian noise whose covariance over the features of each query is the one of real attention dropout (to first
 * order in the mask), p/(1-p) Σ_n a_in² (v_n - o_i)(v_n - o_i)ᵀ; the noises of two queries are uncorrelated. Costs one more linear
 * attention (two in backward, which runs it again) of value width D_v + 1; saves nothing that attention did not.
 *
 * The gradient is pathwise: ε and η are held, and the noise's scale, which depends on q, k, v and the coefficients, is
 * differentiated. That is what real dropout's gradient does with its mask held, and what makes it regularise attention: with the
 * scale held constant, the loss would never see that sharper attention is noisier. Noise adds nothing to the gradient of
 * `keyWeights`, which have none.
 *
 * @param o attention's output for the same q, k, v and `attention` options, without dropout.
 * @param attention what `linearAttention` was called with. Tokens in `initialState` get no noise of their own.
 * @returns o itself at rate 0 and in evaluation.
 * @throws ShapeError, ValueError naming the argument.
 */
export function matchedNoise(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  o: Tensor,
  attention: LinearAttentionOptions,
  options: Omit<DropoutOptions, 'mode'>,
): Tensor {
  const dropout = resolveDropout({ ...options, mode: 'matched' });
  if (!dropout) return o;
  const { rate, key, stream } = dropout;
  const { coefficients, initialState, keyWeights, returnState: _, strict: __, ...shared } = attention;
  const attributes = { attention: shared, rate, key, stream };
  return apply(matchedNoiseOp, [q, k, v, o, coefficients, initialState, keyWeights], attributes)[0];
}
