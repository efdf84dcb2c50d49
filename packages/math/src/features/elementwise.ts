import { ValueError } from '../errors.ts';
import { apply, defineOp, type Op } from '../op.ts';
import { affine } from '../ops/affine.ts';
import { add, backwardOf, minimum, mul } from '../ops/binary.ts';
import { fill } from '../ops/fill.ts';
import { exp, relu } from '../ops/unary.ts';
import type { Tensor } from '../tensor.ts';
import type { FeatureMap } from './feature-map.ts';

// Both gradients can be told from the features alone, which attention holds for its own backward: the maps save nothing more.

const scalar = (like: Tensor, value: number): Tensor => fill(like.backend, [1], value);

const eluOp: Op<Record<never, never>> = defineOp({
  name: 'eluFeatures',
  infer: ([x]) => [{ shape: x!.shape, dtype: 'float' }],
  // elu(x) + 1 cancels for x << 0, where the sum would lose its digits and then its sign; these two terms do not.
  compose: ([x]) => [add(exp(minimum(x!, scalar(x!, 0))), relu(x!))],
  saves: () => ({ outputs: [0] }),
  vjp: ({ outputs: [y], gradients: [dy] }) => [mul(dy!, minimum(y!, scalar(y!, 1)))],
});

/** φ(x) = elu(x) + 1 > 0: eˣ for x <= 0, x + 1 above (Katharopoulos et al. 2020, "Transformers are RNNs"). */
export const eluFeatures: FeatureMap = (x) => apply(eluOp, [x], {})[0];

const reluOp: Op<{ readonly shift: number }> = defineOp({
  name: 'reluFeatures',
  infer: ([x]) => [{ shape: x!.shape, dtype: 'float' }],
  compose: ([x], { shift }) => [affine(relu(x!), 1, shift)],
  saves: () => ({ outputs: [0] }),
  vjp: ({ attributes: { shift }, outputs: [y], gradients: [dy] }) => [
    backwardOf('reluBackward', affine(y!, 1, -shift), dy!),
  ],
});

/**
 * φ(x) = ReLU(x) + shift, of every feature of q and k alike (the generalised attention of Choromanski et al. 2021). It is part of
 * the map: it keeps weights positive where all features of a pair are off, and a denominator that has no positive weight is
 * never covered up otherwise.
 * @param shift >= 0, default 1e-3; at 0 a query may see nothing at all, and its output is then NaN (`strict` reports it).
 * @throws ValueError
 */
export function reluFeatures({ shift = 1e-3 }: { readonly shift?: number } = {}): FeatureMap {
  if (!(shift >= 0 && Number.isFinite(shift))) throw new ValueError('shift', shift, 'a finite number >= 0');
  return (x) => apply(reluOp, [x], { shift })[0];
}
