import { at, int, num, ptr } from '../lib/args';
import { madd, storeFirst } from '../lib/simd';

/**
 * Turns feature i of each head with feature i + half by the token's angles; the rest passes through.
 * args: x, y, cosines, sines [tokens, half], tokens, heads, width, half, sign (-1: backwards), rows (batch x tokens), rowsPerBlock
 */
export function rotary(block: i32, args: usize, _scratch: usize): void {
  const tokens = int(args, 4);
  const heads = int(args, 5);
  const width = int(args, 6);
  const half = int(args, 7);
  const sign = f32x4.splat(num(args, 8));
  const perBlock = int(args, 10);
  for (let row = block * perBlock, end = min(row + perBlock, int(args, 9)); row < end; row++) {
    const cosines = at(ptr(args, 2), (row % tokens) * half);
    const sines = at(ptr(args, 3), (row % tokens) * half);
    for (let head = 0; head < heads; head++) {
      const x = at(ptr(args, 0), (row * heads + head) * width);
      const y = at(ptr(args, 1), (row * heads + head) * width);
      for (let j = 0; j < half; j += 4) {
        const first = v128.load(at(x, j));
        const second = v128.load(at(x, half + j));
        const cosine = v128.load(at(cosines, j));
        const sine = f32x4.mul(sign, v128.load(at(sines, j)));
        storeFirst(at(y, j), madd(first, cosine, f32x4.neg(f32x4.mul(second, sine))), half - j);
        storeFirst(at(y, half + j), madd(second, cosine, f32x4.mul(first, sine)), half - j);
      }
      const rest = width - 2 * half;
      if (rest > 0) memory.copy(at(y, 2 * half), at(x, 2 * half), <usize>rest << 2);
    }
  }
}
