import { apply, defineOp } from '../op.ts';
import { affine } from '../ops/affine.ts';
import type { AdamWAttributes } from '../ops/attributes.ts';
import { add, div, mul } from '../ops/binary.ts';
import { sqrt, square } from '../ops/unary.ts';
import { scope } from '../scope.ts';
import { checkShape } from '../shape.ts';
import type { Tensor } from '../tensor.ts';

/** A parameter with its gradient and AdamW's two moments, all of one shape. */
export interface AdamWGroup {
  readonly parameter: Tensor;
  readonly gradient: Tensor;
  readonly moment1: Tensor;
  readonly moment2: Tensor;
}

const adamWOp = defineOp<AdamWAttributes>({
  name: 'adamW',
  infer: ([scale, ...rest]) => {
    checkShape('scale', scale!.shape, []);
    return rest.flatMap((input, i) => {
      checkShape(`group ${i >> 2}`, input!.shape, rest[i & ~3]!.shape);
      return i % 4 === 1 ? [] : [{ shape: input!.shape, dtype: 'float' as const }];
    });
  },
  compose: ([scale, ...rest], { learningRate, beta1, beta2, epsilon, step, weightDecay }) =>
    weightDecay.flatMap((decay, i) => {
      const [p, g, m, v] = rest.slice(4 * i, 4 * i + 4) as Tensor[];
      const gradient = mul(g, scale!);
      const m1 = add(affine(m, beta1), affine(gradient, 1 - beta1));
      const v1 = add(affine(v, beta2), affine(square(gradient), 1 - beta2));
      const denominator = affine(sqrt(affine(v1, 1 / (1 - beta2 ** step))), 1, epsilon);
      const update = affine(div(m1, denominator), -learningRate / (1 - beta1 ** step));
      return [add(affine(p, 1 - learningRate * decay), update), m1, v1];
    }),
});

/**
 * One AdamW update (Loshchilov & Hutter 2019) of every group, in place:
 * p ← (1 - lr·decay) p - lr m̂ / (√v̂ + epsilon), with gradients first multiplied by the scalar tensor `gradientScale`.
 * With a kernel it is one launch over all; composed, one group at a time, so no second copy of the parameters exists.
 */
export function adamW(groups: readonly AdamWGroup[], gradientScale: Tensor, attributes: AdamWAttributes): void {
  const fused = gradientScale.backend.kernels.adamW !== undefined;
  const size = fused ? Math.max(1, groups.length) : 1;
  for (let start = 0; start < groups.length; start += size) {
    const part = groups.slice(start, start + size);
    scope(() => {
      const inputs = part.flatMap(({ parameter, gradient, moment1, moment2 }) => [
        parameter,
        gradient,
        moment1,
        moment2,
      ]);
      const updated = apply(adamWOp, [gradientScale, ...inputs], {
        ...attributes,
        weightDecay: attributes.weightDecay.slice(start, start + size),
      });
      part.forEach(({ parameter, moment1, moment2 }, i) => {
        [parameter, moment1, moment2].forEach((target, k) => {
          target.assign(updated[3 * i + k]);
        });
      });
    });
  }
}
