import { apply, defineOp } from '../op.ts';
import { affine } from '../ops/affine.ts';
import type { OpAttributes } from '../ops/attributes.ts';
import { add, mul, sub } from '../ops/binary.ts';
import { reshape } from '../ops/movement.ts';
import { mean, sum } from '../ops/reduce.ts';
import { rsqrt, square } from '../ops/unary.ts';
import { checkShape, type Shape } from '../shape.ts';
import type { Tensor } from '../tensor.ts';

const leading = (shape: Shape): Shape => shape.slice(0, -1);
const last = [-1];
/** [...] as [..., 1]: a number a row, to be stretched along the features. */
const column = (x: Tensor): Tensor => reshape(x, [...x.shape, 1]);
const leadingAxes = (x: Tensor): number[] => x.shape.slice(0, -1).map((_, axis) => axis);

const layerNormOp = defineOp<OpAttributes['layerNorm']>({
  name: 'layerNorm',
  infer: ([x, weight, bias]) => {
    const width = x!.shape.slice(-1);
    checkShape('weight', weight!.shape, width);
    checkShape('bias', bias!.shape, width);
    const row = { shape: leading(x!.shape), dtype: 'float' } as const;
    return [{ shape: x!.shape, dtype: 'float' }, row, row];
  },
  compose: ([x, weight, bias], { epsilon }) => {
    const mu = mean(x!, last);
    const centered = sub(x!, column(mu));
    const rstd = rsqrt(affine(mean(square(centered), last), 1, epsilon));
    return [add(mul(mul(centered, column(rstd)), weight!), bias!), mu, rstd];
  },
  saves: () => ({ inputs: [0, 1], outputs: [1, 2] }),
  vjp: ({ inputs: [x, weight], outputs: [, mu, rstd], gradients: [dy] }) =>
    apply(layerNormBackwardOp, [dy, x, weight, mu, rstd], {}),
});

const layerNormBackwardOp = defineOp<OpAttributes['layerNormBackward']>({
  name: 'layerNormBackward',
  infer: ([, x, weight]) => [x!, weight!, weight!].map(({ shape }) => ({ shape, dtype: 'float' })),
  compose: ([dy, x, weight, mu, rstd]) => {
    const normalized = mul(sub(x!, column(mu!)), column(rstd!));
    const dn = mul(dy!, weight!);
    const along = mul(normalized, mean(mul(dn, normalized), last, true));
    const dx = mul(sub(sub(dn, mean(dn, last, true)), along), column(rstd!));
    return [dx, sum(mul(dy!, normalized), leadingAxes(dy!)), sum(dy!, leadingAxes(dy!))];
  },
});

/** (x - mean) / √(var + epsilon) · weight + bias over the last axis (Ba et al. 2016). */
export const layerNorm = (x: Tensor, weight: Tensor, bias: Tensor, epsilon = 1e-5): Tensor =>
  apply(layerNormOp, [x, weight, bias], { epsilon })[0];

const rmsNormOp = defineOp<OpAttributes['rmsNorm']>({
  name: 'rmsNorm',
  infer: ([x, weight]) => {
    checkShape('weight', weight!.shape, x!.shape.slice(-1));
    return [
      { shape: x!.shape, dtype: 'float' },
      { shape: leading(x!.shape), dtype: 'float' },
    ];
  },
  compose: ([x, weight], { epsilon }) => {
    const rstd = rsqrt(affine(mean(square(x!), last), 1, epsilon));
    return [mul(mul(x!, column(rstd)), weight!), rstd];
  },
  saves: () => ({ inputs: [0, 1], outputs: [1] }),
  vjp: ({ inputs: [x, weight], outputs: [, rstd], gradients: [dy] }) =>
    apply(rmsNormBackwardOp, [dy, x, weight, rstd], {}),
});

const rmsNormBackwardOp = defineOp<OpAttributes['rmsNormBackward']>({
  name: 'rmsNormBackward',
  infer: ([, x, weight]) => [x!, weight!].map(({ shape }) => ({ shape, dtype: 'float' })),
  compose: ([dy, x, weight, rstd]) => {
    const normalized = mul(x!, column(rstd!));
    const dn = mul(dy!, weight!);
    const along = mul(normalized, mean(mul(dn, normalized), last, true));
    return [mul(sub(dn, along), column(rstd!)), sum(mul(dy!, normalized), leadingAxes(dy!))];
  },
});

/** x / √(mean x² + epsilon) · weight over the last axis (Zhang & Sennrich 2019). */
export const rmsNorm = (x: Tensor, weight: Tensor, epsilon = 1e-6): Tensor =>
  apply(rmsNormOp, [x, weight], { epsilon })[0];
