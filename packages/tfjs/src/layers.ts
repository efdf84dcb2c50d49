import { resolveMask, resolveRadius, ValueError } from '@linattn/math';
import {
  add,
  cast,
  expandDims,
  matMul,
  maximum,
  reshape,
  serialization,
  split,
  type Tensor,
  type Tensor1D,
  type Tensor3D,
  type Tensor4D,
  tensor1d,
  tidy,
  tile,
} from '@tensorflow/tfjs-core';
import { initializers, type LayerVariable, layers } from '@tensorflow/tfjs-layers';
import { type LinearAttentionOptions, linearAttention } from './linear-attention.ts';

type LayerArgs = NonNullable<ConstructorParameters<typeof layers.Layer>[0]>;

/** What the layer is built from. All but `backend` is saved with the model. */
export interface LinearAttentionArgs
  extends LayerArgs,
    Pick<LinearAttentionOptions, 'mask' | 'prefix' | 'a' | 'b' | 'c' | 'radius' | 'order' | 'strict' | 'backend'> {
  readonly heads: number;
  /** D. Default: features of the input / heads. */
  readonly headDim?: number;
  /** Default `l2`, so that no denominator vanishes (in the operation itself: `none`). */
  readonly normalize?: 'none' | 'l2';
  /** Default true. */
  readonly useBias?: boolean;
  /** a, b and c are weights that start from the values given. With c: `order: 2`. Default false. */
  readonly learnable?: boolean;
  /** Of the initial weights. Default: drawn. */
  readonly seed?: number;
}

const saved = [
  ...['heads', 'headDim', 'useBias', 'learnable', 'seed'],
  ...['mask', 'prefix', 'a', 'b', 'c', 'order', 'normalize', 'radius', 'strict'],
] as const;
type Shape = (number | null)[];

interface Dense {
  readonly kernel: LayerVariable;
  readonly bias?: LayerVariable;
}

/** Hidden keys weigh this, as a query that sees nothing else must not divide by 0. It is lost in float32 beside any visible key. */
const hidden = 2 ** -24;

/**
 * Multi-head self-attention in linear time for models of `tf.layers`: [B, N, E] to [B, N, E], with one projection to q, k and v and
 * one back. It honours masks (`maskZero` of an embedding, a Masking layer) and passes them on. Importing this module registers
 * the class, so that `loadLayersModel` finds it.
 * @throws ValueError naming the option.
 */
export class LinearAttention extends layers.Layer {
  static readonly className = 'LinearAttention';
  readonly #args: LinearAttentionArgs;
  #headDim = 0;
  #input: Dense | undefined;
  #output: Dense | undefined;
  #coefficients: LayerVariable | undefined;

  constructor(args: LinearAttentionArgs) {
    super(args);
    this.#args = { ...args, normalize: args.normalize ?? 'l2' };
    const { heads, headDim, learnable } = this.#args;
    checkCount('heads', heads);
    if (headDim !== undefined) checkCount('headDim', headDim);
    resolveMask(this.#args);
    resolveRadius({ ...this.#args, coefficients: learnable || undefined });
    this.supportsMasking = true;
  }

  override build(inputShape: Shape | Shape[]): void {
    const features = oneShape(inputShape).at(-1);
    const { heads, headDim, useBias = true, learnable, seed, a = 1, b = 1, c = 0 } = this.#args;
    if (!features) throw new ValueError('inputShape', inputShape, '[batch, tokens, features] with known features');
    if (headDim === undefined && features % heads !== 0) {
      throw new ValueError('heads', heads, `a divisor of the input's ${features} features, unless headDim is given`);
    }
    this.#headDim = headDim ?? features / heads;
    const width = heads * this.#headDim;
    const dense = (name: string, rows: number, columns: number, offset: number): Dense => {
      const initial = initializers.glorotUniform({ seed: seed === undefined ? undefined : seed + offset });
      const kernel = this.addWeight(`${name}_kernel`, [rows, columns], 'float32', initial);
      return useBias
        ? { kernel, bias: this.addWeight(`${name}_bias`, [columns], 'float32', initializers.zeros()) }
        : { kernel };
    };
    this.#input = dense('query_key_value', features, 3 * width, 0);
    this.#output = dense('output', width, features, 1);
    if (learnable) {
      const coefficients = this.addWeight('coefficients', [3], 'float32', initializers.zeros());
      tidy(() => void coefficients.write(tensor1d([a, b, c])));
      this.#coefficients = coefficients;
    }
    super.build(inputShape);
  }

  override call(inputs: Tensor | Tensor[], kwargs: { readonly mask?: Tensor | Tensor[] }): Tensor {
    return tidy(() => {
      this.invokeCallHook(inputs, kwargs);
      const x = one(inputs);
      const [batch, tokens] = x.shape;
      const { heads, mask, prefix, a, b, c, order, normalize, radius, strict, backend } = this.#args;
      const rows = project(reshape(x, [batch * tokens, -1]), this.#input!);
      const [q, k, v] = split(reshape(rows, [batch, tokens, 3 * heads, this.#headDim]), 3, 2) as Tensor4D[];
      const visible = kwargs.mask && one(kwargs.mask);
      const coefficients = this.#coefficients?.read() as Tensor1D | undefined;
      const o = linearAttention(q, k, v, {
        ...{ mask, prefix, a, b, c, order, normalize, radius, strict, backend, coefficients },
        keyWeights: visible && weightsOf(visible, heads),
      });
      return reshape(project(reshape(o, [batch * tokens, -1]), this.#output!), x.shape);
    });
  }

  override computeOutputShape(inputShape: Shape | Shape[]): Shape {
    return oneShape(inputShape);
  }

  override getConfig(): serialization.ConfigDict {
    // Absent options stay absent: written as null they would not take their defaults again.
    const given = saved.filter((name) => this.#args[name] !== undefined).map((name) => [name, this.#args[name]]);
    return { ...super.getConfig(), ...Object.fromEntries(given) };
  }
}

serialization.registerClass(LinearAttention);

function project(x: Tensor, { kernel, bias }: Dense): Tensor {
  const y = matMul(x, kernel.read());
  return bias ? add(y, bias.read()) : y;
}

/** A mask [B, N] as weights of keys [B, N, H]. */
const weightsOf = (mask: Tensor, heads: number): Tensor3D =>
  tile(expandDims(maximum(cast(mask, 'float32'), hidden), 2) as Tensor3D, [1, 1, heads]);

const one = <T>(value: T | T[]): T => (Array.isArray(value) ? value[0] : value);

const oneShape = (shape: Shape | Shape[]): Shape => (Array.isArray(shape[0]) ? shape[0] : (shape as Shape));

function checkCount(name: string, value: number): void {
  if (!(Number.isSafeInteger(value) && value > 0)) throw new ValueError(name, value, 'an integer > 0');
}
