// Elementary functions on four float32 lanes, relative error about 1e-7. Polynomials: Cephes (Moshier) for exp, log, sin, cos and
// tanh; least-squares fits at Chebyshev nodes for erf and log erfc.
// The exponential is inlined in attention's loops; what costs more than a call is called.
import { madd } from './simd';

// @ts-ignore: decorator
@inline function splat(x: f32): v128 {
  return f32x4.splat(x);
}

// @ts-ignore: decorator
@inline function powerOfTwo(exponent: v128): v128 {
  return i32x4.shl(i32x4.add(exponent, i32x4.splat(127)), 23);
}

/** e^r for |r| <= ln 2 / 2. */
// @ts-ignore: decorator
@inline function expPolynomial(r: v128): v128 {
  let y = madd(splat(1.9875691500e-4), r, splat(1.3981999507e-3));
  y = madd(y, r, splat(8.3334519073e-3));
  y = madd(y, r, splat(4.1665795894e-2));
  y = madd(y, r, splat(1.6666665459e-1));
  y = madd(y, r, splat(5.0000001201e-1));
  return madd(y, f32x4.mul(r, r), f32x4.add(r, splat(1)));
}

/** x - n ln 2, with ln 2 in two parts. */
// @ts-ignore: decorator
@inline function withoutLn2(n: v128, x: v128): v128 {
  return madd(n, splat(2.12194440e-4), madd(n, splat(-0.693359375), x));
}

/** The whole range: overflows to infinity, underflows gradually, NaN stays NaN. */
// @ts-ignore: decorator
@inline export function exp(x: v128): v128 {
  const clamped = f32x4.pmin(f32x4.pmax(x, splat(-104)), splat(89));
  const n = f32x4.nearest(f32x4.mul(clamped, splat(1.44269504088896341)));
  const exponent = i32x4.trunc_sat_f32x4_s(n);
  const half = i32x4.shr_s(exponent, 1);
  const y = expPolynomial(withoutLn2(n, clamped));
  return f32x4.mul(f32x4.mul(y, powerOfTwo(half)), powerOfTwo(i32x4.sub(exponent, half)));
}

/**
 * For x <= 88 where small results do not matter (weights of a softmax): below e^-64 it is 0, since WASM cannot flush denormals
 * and arithmetic on them is some 50 times slower.
 */
// @ts-ignore: decorator
@inline export function expFlushed(x: v128): v128 {
  const clamped = f32x4.pmin(f32x4.pmax(x, splat(-87)), splat(88));
  // Beside 1.5 2^23 only the whole part is left, in the lowest bits; 127 more, and they are the exponent of a power of two.
  const bits = madd(clamped, splat(1.44269504088896341), splat(12582912 + 127));
  const n = f32x4.sub(bits, splat(12582912 + 127));
  const y = f32x4.mul(expPolynomial(withoutLn2(n, clamped)), i32x4.shl(bits, 23));
  return v128.andnot(y, f32x4.lt(x, splat(-64)));
}

/** ln x; -infinity at 0, NaN below. */
export function log(x: v128): v128 {
  const denormal = f32x4.lt(x, splat(1.17549435e-38));
  const scaled = v128.bitselect(f32x4.mul(x, splat(33554432)), x, denormal);
  let exponent = i32x4.sub(i32x4.shr_s(scaled, 23), i32x4.splat(127));
  exponent = i32x4.sub(exponent, v128.and(denormal, i32x4.splat(25)));
  let m = v128.or(v128.and(scaled, i32x4.splat(0x7fffff)), i32x4.splat(0x3f800000));
  const upper = f32x4.gt(m, splat(1.41421356237));
  m = v128.bitselect(f32x4.mul(m, splat(0.5)), m, upper);
  const e = f32x4.convert_i32x4_s(i32x4.sub(exponent, upper));
  const f = f32x4.sub(m, splat(1));
  const z = f32x4.mul(f, f);
  let y = madd(splat(7.0376836292e-2), f, splat(-1.151461031e-1));
  y = madd(y, f, splat(1.167699874e-1));
  y = madd(y, f, splat(-1.2420140846e-1));
  y = madd(y, f, splat(1.4249322787e-1));
  y = madd(y, f, splat(-1.6668057665e-1));
  y = madd(y, f, splat(2.0000714765e-1));
  y = madd(y, f, splat(-2.4999993993e-1));
  y = madd(y, f, splat(3.3333331174e-1));
  y = f32x4.mul(f32x4.mul(y, f), z);
  y = madd(e, splat(-2.12194440e-4), y);
  y = madd(splat(-0.5), z, y);
  const result = madd(e, splat(0.693359375), f32x4.add(f, y));
  const infinite = f32x4.eq(x, splat(f32.POSITIVE_INFINITY));
  const special = v128.bitselect(x, v128.bitselect(splat(f32.NEGATIVE_INFINITY), splat(f32.NaN), f32x4.eq(x, splat(0))), infinite);
  const regular = v128.andnot(f32x4.gt(x, splat(0)), infinite);
  return v128.bitselect(result, special, regular);
}

export function sigmoid(x: v128): v128 {
  return f32x4.div(splat(1), f32x4.add(splat(1), exp(f32x4.neg(x))));
}

export function tanh(x: v128): v128 {
  const z = f32x4.mul(x, x);
  let p = madd(splat(-5.70498872745e-3), z, splat(2.06390887954e-2));
  p = madd(p, z, splat(-5.37397155531e-2));
  p = madd(p, z, splat(1.33314422036e-1));
  p = madd(p, z, splat(-3.33332819422e-1));
  const near = madd(f32x4.mul(p, z), x, x);
  const size = f32x4.abs(x);
  const far = f32x4.sub(splat(1), f32x4.div(splat(2), f32x4.add(exp(f32x4.add(size, size)), splat(1))));
  return v128.bitselect(near, copySign(far, x), f32x4.lt(size, splat(0.625)));
}

// @ts-ignore: decorator
@inline function copySign(size: v128, x: v128): v128 {
  return v128.or(size, v128.and(x, i32x4.splat(0x80000000)));
}

/** e^x - 1 for x <= 0, without cancellation: 2 t / (1 - t) with t = tanh(x / 2). */
export function expMinusOne(x: v128): v128 {
  const t = tanh(f32x4.mul(x, splat(0.5)));
  return f32x4.div(f32x4.add(t, t), f32x4.sub(splat(1), t));
}

/** erf x for |x| <= 1. */
// @ts-ignore: decorator
@inline function erfNear(x: v128): v128 {
  const s = f32x4.mul(x, x);
  let p = madd(splat(7.847259257687256e-5), s, splat(-0.0008008189615793526));
  p = madd(p, s, splat(0.005188099108636379));
  p = madd(p, s, splat(-0.026853691786527634));
  p = madd(p, s, splat(0.1128358244895935));
  p = madd(p, s, splat(-0.3761262595653534));
  p = madd(p, s, splat(1.1283791065216064));
  return f32x4.mul(p, x);
}

/** erfc t for t >= 1: e to a polynomial, 0 from 5.6 on. */
function erfcFar(t: v128): v128 {
  let p = madd(splat(-9.610062079445925e-8), t, splat(3.7138709103601286e-6));
  p = madd(p, t, splat(-6.537998706335202e-5));
  p = madd(p, t, splat(0.0006980488542467356));
  p = madd(p, t, splat(-0.005087625235319138));
  p = madd(p, t, splat(0.027099965140223503));
  p = madd(p, t, splat(-0.11097356677055359));
  p = madd(p, t, splat(-0.6311079859733582));
  p = madd(p, t, splat(-1.1305516958236694));
  p = madd(p, t, splat(0.00037902803160250187));
  return v128.andnot(expFlushed(p), f32x4.gt(t, splat(5.6)));
}

export function erf(x: v128): v128 {
  const size = f32x4.abs(x);
  const far = copySign(f32x4.sub(splat(1), erfcFar(size)), x);
  return v128.bitselect(far, erfNear(x), f32x4.gt(size, splat(1)));
}

/** Φ(x), the normal distribution function: accurate in its lower tail too. */
export function normalCdf(x: v128): v128 {
  const t = f32x4.mul(x, splat(0.70710678118654752));
  const size = f32x4.abs(t);
  const tail = f32x4.mul(splat(0.5), erfcFar(size));
  const far = v128.bitselect(f32x4.sub(splat(1), tail), tail, f32x4.gt(x, splat(0)));
  const near = madd(splat(0.5), erfNear(t), splat(0.5));
  return v128.bitselect(far, near, f32x4.gt(size, splat(1)));
}

/** φ(x) = e^(-x²/2) / √2π */
export function normalPdf(x: v128): v128 {
  return f32x4.mul(splat(0.39894228040143268), expFlushed(f32x4.mul(splat(-0.5), f32x4.mul(x, x))));
}

/** sin r for |r| <= π/4. */
// @ts-ignore: decorator
@inline function sinNear(r: v128): v128 {
  const z = f32x4.mul(r, r);
  const p = madd(madd(splat(-1.9515295891e-4), z, splat(8.3321608736e-3)), z, splat(-1.6666654611e-1));
  return madd(f32x4.mul(p, z), r, r);
}

/** cos r for |r| <= π/4. */
// @ts-ignore: decorator
@inline function cosNear(r: v128): v128 {
  const z = f32x4.mul(r, r);
  const p = madd(madd(splat(2.443315711809948e-5), z, splat(-1.388731625493765e-3)), z, splat(4.166664568298827e-2));
  return madd(f32x4.mul(p, z), z, madd(splat(-0.5), z, splat(1)));
}

/** sin (quadrant π/2 + r); a cosine is a sine one quadrant on. */
// @ts-ignore: decorator
@inline export function sinOfQuadrant(quadrant: v128, r: v128): v128 {
  const odd = i32x4.ne(v128.and(quadrant, i32x4.splat(1)), i32x4.splat(0));
  const value = v128.bitselect(cosNear(r), sinNear(r), odd);
  return v128.xor(value, i32x4.shl(v128.and(quadrant, i32x4.splat(2)), 30));
}

// Reduced in float64, so that arguments up to about 1e7 keep their accuracy.
function reduceAngle(x: v128, quadrants: i32): v128 {
  const low = f64x2.promote_low_f32x4(x);
  const high = f64x2.promote_low_f32x4(v128.shuffle<f32>(x, x, 2, 3, 2, 3));
  const perQuadrant = f64x2.splat(0.63661977236758134);
  const nLow = f64x2.nearest(f64x2.mul(low, perQuadrant));
  const nHigh = f64x2.nearest(f64x2.mul(high, perQuadrant));
  const quadrant = v128.shuffle<f32>(
    i32x4.trunc_sat_f64x2_s_zero(nLow),
    i32x4.trunc_sat_f64x2_s_zero(nHigh),
    0,
    1,
    4,
    5,
  );
  const halfPi = f64x2.splat(1.5707963267948966);
  const rLow = f32x4.demote_f64x2_zero(f64x2.sub(low, f64x2.mul(nLow, halfPi)));
  const rHigh = f32x4.demote_f64x2_zero(f64x2.sub(high, f64x2.mul(nHigh, halfPi)));
  return sinOfQuadrant(i32x4.add(quadrant, i32x4.splat(quadrants)), v128.shuffle<f32>(rLow, rHigh, 0, 1, 4, 5));
}

// @ts-ignore: decorator
@inline export function sin(x: v128): v128 {
  return reduceAngle(x, 0);
}

// @ts-ignore: decorator
@inline export function cos(x: v128): v128 {
  return reduceAngle(x, 1);
}
