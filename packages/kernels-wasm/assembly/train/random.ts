import { at, int, ptr } from '../lib/args';
import { log, sinOfQuadrant } from '../lib/functions';
import { storeFirst } from '../lib/simd';

const M0: u64 = 0xd2511f53;
const M1: u64 = 0xcd9e8d57;

/** Word as a number in (0, 1) from its upper 23 bits: (word >>> 9 + 1/2) / 2^23. */
// @ts-ignore: decorator
@inline function uniform(words: v128): v128 {
  const bits = f32x4.convert_i32x4_u(i32x4.shr_u(words, 9));
  return f32x4.mul(f32x4.add(bits, f32x4.splat(0.5)), f32x4.splat(1.0 / 8388608.0));
}

/** Box-Muller on words (0, 1) and (2, 3): √(-2 ln u) times cos 2πv and sin 2πv. */
// @ts-ignore: decorator
@inline function normal(u: v128): v128 {
  const radius = f32x4.sqrt(f32x4.mul(f32x4.splat(-2), log(v128.shuffle<f32>(u, u, 0, 0, 2, 2))));
  // 2πv = n π/2 + r: the quadrant is exact in float32.
  const turns = f32x4.mul(f32x4.splat(4), v128.shuffle<f32>(u, u, 1, 1, 3, 3));
  const n = f32x4.nearest(turns);
  const r = f32x4.mul(f32x4.sub(turns, n), f32x4.splat(1.5707963267948966));
  const quadrant = i32x4.add(i32x4.trunc_sat_f32x4_s(n), i32x4(1, 0, 1, 0));
  return f32x4.mul(radius, sinOfQuadrant(quadrant, r));
}

/**
 * Philox4x32-10 draws, four a counter. args: y, n, normal (else uniform), key0, key1, stream0, stream1, blockSize (a multiple of 4)
 */
export function random(block: i32, args: usize, _scratch: usize): void {
  const y = ptr(args, 0);
  const size = int(args, 7);
  const start = block * size;
  const end = min(start + size, int(args, 1));
  const isNormal = int(args, 2) != 0;
  const key0 = <u32>load<f64>(args, 24);
  const key1 = <u32>load<f64>(args, 32);
  const stream0 = <u32>load<f64>(args, 40);
  const stream1 = <u32>load<f64>(args, 48);
  for (let i = start; i < end; i += 4) {
    let c0: u32 = <u32>(i >> 2);
    let c1: u32 = 0;
    let c2 = stream0;
    let c3 = stream1;
    let k0 = key0;
    let k1 = key1;
    for (let round = 0; round < 10; round++) {
      const product0 = M0 * <u64>c0;
      const product1 = M1 * <u64>c2;
      c0 = <u32>(product1 >> 32) ^ c1 ^ k0;
      c1 = <u32>product1;
      c2 = <u32>(product0 >> 32) ^ c3 ^ k1;
      c3 = <u32>product0;
      k0 += 0x9e3779b9;
      k1 += 0xbb67ae85;
    }
    let words = i32x4.splat(c0);
    words = i32x4.replace_lane(words, 1, c1);
    words = i32x4.replace_lane(words, 2, c2);
    words = i32x4.replace_lane(words, 3, c3);
    const u = uniform(words);
    storeFirst(at(y, i), isNormal ? normal(u) : u, end - i);
  }
}
