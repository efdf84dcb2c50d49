import { at, int, ptr } from '../lib/args';
import { cos, erf, exp, expMinusOne, log, normalCdf, sigmoid, sin, tanh } from '../lib/functions';

// The order of @linattn/math's `unaryFunctions`.
// @ts-ignore: decorator
@inline function evaluate(fn: i32, x: v128): v128 {
  if (fn == 0) return exp(x);
  if (fn == 1) return log(x);
  if (fn == 2) return f32x4.sqrt(x);
  if (fn == 3) return f32x4.div(f32x4.splat(1), f32x4.sqrt(x));
  if (fn == 4) return f32x4.div(f32x4.splat(1), x);
  if (fn == 5) return f32x4.mul(x, x);
  if (fn == 6) return f32x4.abs(x);
  if (fn == 7) return sign(x);
  if (fn == 8) return v128.and(f32x4.gt(x, f32x4.splat(0)), f32x4.splat(1));
  if (fn == 9) return tanh(x);
  if (fn == 10) return sigmoid(x);
  if (fn == 11) return erf(x);
  if (fn == 12) return f32x4.max(x, f32x4.splat(0));
  if (fn == 13) return f32x4.mul(x, normalCdf(x));
  if (fn == 14) return f32x4.mul(x, sigmoid(x));
  if (fn == 15) return v128.bitselect(x, expMinusOne(f32x4.min(x, f32x4.splat(0))), f32x4.gt(x, f32x4.splat(0)));
  if (fn == 16) return sin(x);
  return cos(x);
}

// @ts-ignore: decorator
@inline function sign(x: v128): v128 {
  const one = v128.or(v128.and(x, i32x4.splat(0x80000000)), f32x4.splat(1));
  return v128.bitselect(one, x, f32x4.ne(f32x4.abs(x), f32x4.pmin(f32x4.splat(0), f32x4.abs(x))));
}

// @ts-ignore: decorator
@inline function loop(fn: i32, x: usize, y: usize, end: usize): void {
  for (; y < end; x += 16, y += 16) v128.store(y, evaluate(fn, v128.load(x)));
}

/** y = fn(x). args: x, y, n, fn, blockSize (a multiple of 4) */
export function unary(block: i32, args: usize, _scratch: usize): void {
  const size = int(args, 4);
  const start = block * size;
  const x = at(ptr(args, 0), start);
  const y = at(ptr(args, 1), start);
  const end = at(ptr(args, 1), min(int(args, 2), start + size));
  // One loop a function: the choice is made once, not for every four numbers.
  switch (int(args, 3)) {
    case 0: loop(0, x, y, end); break;
    case 1: loop(1, x, y, end); break;
    case 2: loop(2, x, y, end); break;
    case 3: loop(3, x, y, end); break;
    case 4: loop(4, x, y, end); break;
    case 5: loop(5, x, y, end); break;
    case 6: loop(6, x, y, end); break;
    case 7: loop(7, x, y, end); break;
    case 8: loop(8, x, y, end); break;
    case 9: loop(9, x, y, end); break;
    case 10: loop(10, x, y, end); break;
    case 11: loop(11, x, y, end); break;
    case 12: loop(12, x, y, end); break;
    case 13: loop(13, x, y, end); break;
    case 14: loop(14, x, y, end); break;
    case 15: loop(15, x, y, end); break;
    case 16: loop(16, x, y, end); break;
    default: loop(17, x, y, end);
  }
}
