import type { BinaryFunction, UnaryFunction } from '@linattn/math';
import { horner, type MathText } from '../math-text.ts';
import { float } from '../program.ts';

// Elementwise functions in float32, as kernel text. Each entry is statements that leave the result in the float `y`; the
// arguments are the floats `x` (and `g` for a second one).

const sqrtPi = Math.sqrt(Math.PI);

const factorial = (n: number): number => (n < 2 ? 1 : n * factorial(n - 1));

/** erf(z) / z as a series in z², good to float32 for |z| <= 1. */
const erfSeries = Array.from({ length: 10 }, (_, n) => ((-1) ** n * 2) / sqrtPi / (factorial(n) * (2 * n + 1)));

/**
 * erfc(z) = exp(-z²) t P(t), t = 1 / (1 + 0.7 z): P interpolates at the Chebyshev nodes of 1 <= z <= 4.5, to 3e-7 in float32;
 * beyond, erfc is below 2e-9.
 */
const erfcTail = [0.394461246, 0.40330618, 0.236634403, 0.342485434, -0.609277352, 0.234993019];

/** Leaves erf(z) in `e`, and erfc(|z|) in `c`, which keeps its accuracy where erf is near 1. */
const erf = (m: MathText, z: string): string => `
  const w=Math.abs(${z}); const q=w*w; const t=1.0/(1.0+0.7*w);
  let e=w*${horner('q', erfSeries)}; let c=1.0-e;
  ${m.exp('u', '-q')}
  if (w>1.0) { c=u*t*${horner('t', erfcTail)}; e=1.0-c; }
  if (${z}<0.0) { e=-e; }`;

/** Leaves Φ(x) in `p`. */
const normalCdf = (m: MathText) =>
  `const z=x*${float(Math.SQRT1_2)}; ${erf(m, 'z')} let p=0.5*c; if (x>0.0) { p=1.0-p; }`;

/** Leaves σ(x) in `p`; the exponential never overflows. */
const sigmoid = (m: MathText) => `${m.exp('u', '-Math.abs(x)')} let p=1.0/(1.0+u); if (x<0.0) { p=u*p; }`;

const tanh = (m: MathText) => `
  ${m.exp('u', '-2.0*Math.abs(x)')} let y=(1.0-u)/(1.0+u); if (x<0.0) { y=-y; }
  if (Math.abs(x)<0.25) { const s=x*x; y=x*${horner('s', [1, -1 / 3, 2 / 15, -17 / 315, 62 / 2835, -1382 / 155925])}; }`;

/** eˣ - 1 without cancellation near 0. */
const elu = (m: MathText) => `
  ${m.exp('u', 'x')} let y=x;
  if (x<=0.0) { y=u-1.0; if (x>-0.25) { y=x*${horner('x', [1, 1 / 2, 1 / 6, 1 / 24, 1 / 120, 1 / 720, 1 / 5040])}; } }`;

const inverseRootTwoPi = float(1 / Math.sqrt(2 * Math.PI));

export const unaryBodies: Readonly<Record<UnaryFunction, (m: MathText) => string>> = {
  exp: (m) => m.exp('y', 'x'),
  log: () => 'const y=Math.log(x);',
  sqrt: () => 'const y=Math.sqrt(x);',
  rsqrt: () => 'const y=1.0/Math.sqrt(x);',
  reciprocal: () => 'const y=1.0/x;',
  square: () => 'const y=x*x;',
  abs: () => 'const y=Math.abs(x);',
  sign: () => 'let y=0.0; if (x>0.0) { y=1.0; } if (x<0.0) { y=-1.0; }',
  step: () => 'let y=0.0; if (x>0.0) { y=1.0; }',
  tanh,
  sigmoid: (m) => `${sigmoid(m)} const y=p;`,
  erf: (m) => `${erf(m, 'x')} const y=e;`,
  relu: () => 'const y=Math.max(x, 0.0);',
  gelu: (m) => `${normalCdf(m)} const y=x*p;`,
  silu: (m) => `${sigmoid(m)} const y=x*p;`,
  elu,
  sin: (m) => m.sin('y', 'x'),
  cos: (m) => m.cos('y', 'x'),
};

export const binaryBodies: Readonly<Record<BinaryFunction, (m: MathText) => string>> = {
  add: () => 'const y=x+g;',
  sub: () => 'const y=x-g;',
  mul: () => 'const y=x*g;',
  div: () => 'const y=x/g;',
  maximum: () => 'const y=Math.max(x, g);',
  minimum: () => 'const y=Math.min(x, g);',
  ge: () => 'let y=0.0; if (x>=g) { y=1.0; }',
  eq: () => 'let y=0.0; if (x===g) { y=1.0; }',
  tanhBackward: () => 'const y=g*(1.0-x*x);',
  sigmoidBackward: () => 'const y=g*x*(1.0-x);',
  reluBackward: () => 'let y=0.0; if (x>0.0) { y=g; }',
  // x² / 2 is the q that erf leaves: e^(-q) is there already.
  geluBackward: (m) => `${normalCdf(m)} const y=g*(p+x*${inverseRootTwoPi}*u);`,
  siluBackward: (m) => `${sigmoid(m)} const y=g*p*(1.0+x*(1.0-p));`,
  eluBackward: (m) => `${m.exp('u', 'x')} let y=g; if (x<=0.0) { y=g*u; }`,
};
