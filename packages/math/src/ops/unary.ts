import { apply, defineOp } from '../op.ts';
import type { Tensor } from '../tensor.ts';
import { affine } from './affine.ts';
import type { OpAttributes, UnaryFunction } from './attributes.ts';
import { backwardOf, div, mul } from './binary.ts';

type Rule = { readonly reads: 'x' | 'y'; readonly rule: (dy: Tensor, t: Tensor) => Tensor };
const ofX = (rule: Rule['rule']): Rule => ({ reads: 'x', rule });
const ofY = (rule: Rule['rule']): Rule => ({ reads: 'y', rule });

/** dx of each function from dy and x or y. `sign` and `step` are flat. */
const rules: Readonly<Record<UnaryFunction, Rule | undefined>> = {
  exp: ofY((dy, y) => mul(dy, y)),
  log: ofX((dy, x) => div(dy, x)),
  sqrt: ofY((dy, y) => affine(div(dy, y), 0.5)),
  rsqrt: ofY((dy, y) => affine(mul(dy, mul(y, square(y))), -0.5)),
  reciprocal: ofY((dy, y) => affine(mul(dy, square(y)), -1)),
  square: ofX((dy, x) => affine(mul(dy, x), 2)),
  abs: ofX((dy, x) => mul(dy, sign(x))),
  sign: undefined,
  step: undefined,
  tanh: ofY((dy, y) => backwardOf('tanhBackward', y, dy)),
  sigmoid: ofY((dy, y) => backwardOf('sigmoidBackward', y, dy)),
  erf: ofX((dy, x) => affine(mul(dy, exp(affine(square(x), -1))), 2 / Math.sqrt(Math.PI))),
  relu: ofX((dy, x) => backwardOf('reluBackward', x, dy)),
  gelu: ofX((dy, x) => backwardOf('geluBackward', x, dy)),
  silu: ofX((dy, x) => backwardOf('siluBackward', x, dy)),
  elu: ofX((dy, x) => backwardOf('eluBackward', x, dy)),
  sin: ofX((dy, x) => mul(dy, cos(x))),
  cos: ofX((dy, x) => affine(mul(dy, sin(x)), -1)),
};

const unaryOp = defineOp<OpAttributes['unary']>({
  name: 'unary',
  infer: ([x]) => [{ shape: x!.shape, dtype: 'float' }],
  saves: (_, { fn }) => {
    const reads = rules[fn]?.reads;
    return { inputs: reads === 'x' ? [0] : [], outputs: reads === 'y' ? [0] : [] };
  },
  vjp: ({ attributes: { fn }, inputs, outputs, gradients: [dy] }) => {
    const known = rules[fn];
    return [known?.rule(dy!, (inputs[0] ?? outputs[0])!)];
  },
});

/* @__NO_SIDE_EFFECTS__ */
const unary =
  (fn: UnaryFunction) =>
  (x: Tensor): Tensor =>
    apply(unaryOp, [x], { fn })[0];

/** eˣ, element by element. */
export const exp = unary('exp');
/** The natural logarithm: NaN below 0, -Infinity at 0. */
export const log = unary('log');
/** √x: NaN below 0. */
export const sqrt = unary('sqrt');
/** 1 / √x */
export const rsqrt = unary('rsqrt');
/** 1 / x */
export const reciprocal = unary('reciprocal');
/** x² */
export const square = unary('square');
/** |x|; gradient 0 at 0. */
export const abs = unary('abs');
/** -1, 0 or 1; it has no gradient. */
export const sign = unary('sign');
/** 1 where x > 0, else 0. */
export const step = unary('step');
/** The hyperbolic tangent. */
export const tanh = unary('tanh');
/** 1 / (1 + e⁻ˣ) */
export const sigmoid = unary('sigmoid');
/** The error function. */
export const erf = unary('erf');
/** max(x, 0); gradient 0 at 0. */
export const relu = unary('relu');
/** x Φ(x), exact (with erf). */
export const gelu = unary('gelu');
/** x σ(x) */
export const silu = unary('silu');
/** x for x > 0, else eˣ - 1. */
export const elu = unary('elu');
/** The sine of x, in radians. */
export const sin = unary('sin');
/** The cosine of x, in radians. */
export const cos = unary('cos');
