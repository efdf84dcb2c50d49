import { affine, apply, defineOp, mul, type Op, type PhiloxKey, random, type Tensor, ValueError } from '@linattn/math';
import { type DropoutOptions, resolveDropout } from './options.ts';

interface ScaleNoiseAttributes {
  /** Mean of the factor. */
  readonly scale: number;
  /** Standard deviation of ψ. */
  readonly deviation: number;
  readonly key: PhiloxKey;
  readonly stream: readonly [number, number];
}

/** y = scale · x (1 + deviation · z), z ~ N(0, 1) for each element. Saves nothing: its gradient is itself, drawn again. */
const scaleNoiseOp: Op<ScaleNoiseAttributes> = defineOp({
  name: 'scaleNoise',
  infer: ([x]) => [{ shape: x!.shape, dtype: 'float' }],
  compose: ([x], { scale, deviation, key, stream }, backend) => {
    const normal = random(backend, { shape: x!.shape, distribution: 'normal', key, stream });
    return [mul(x!, affine(normal, scale * deviation, scale))];
  },
  vjp: ({ attributes, gradients: [dy] }) => apply(scaleNoiseOp, [dy], attributes),
});

/** Options of the two modes that only need attention's output. */
export type ScaleNoiseOptions = Omit<DropoutOptions, 'mode'> & { readonly mode: 'paper' | 'unbiased' };

/**
 * `paper` and `unbiased` noise on the output of any attention, o of any shape: (1 - p) o (1 + ψ), or o (1 + ψ), with
 * ψ ~ N(0, p) ("Towards Making Linear Attention Usable", Eq 28). Draw i belongs to element i in row-major order.
 * @returns o itself at rate 0 and in evaluation.
 * @throws ValueError naming the argument.
 */
export function scaleNoise(o: Tensor, options: ScaleNoiseOptions): Tensor {
  if (options.mode !== 'paper' && options.mode !== 'unbiased') {
    throw new ValueError('mode', options.mode, 'paper | unbiased');
  }
  const dropout = resolveDropout(options);
  if (!dropout) return o;
  const { mode, rate, key, stream } = dropout;
  const scale = mode === 'paper' ? 1 - rate : 1;
  return apply(scaleNoiseOp, [o], { scale, deviation: Math.sqrt(rate), key, stream })[0];
}
