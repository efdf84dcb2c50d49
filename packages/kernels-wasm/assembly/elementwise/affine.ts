import { at, int, num, ptr } from '../lib/args';
import { madd } from '../lib/simd';

/** y = scale x + shift. args: x, y, n, scale, shift, blockSize (a multiple of 4) */
export function affine(block: i32, args: usize, _scratch: usize): void {
  const size = int(args, 5);
  const start = block * size;
  const scale = f32x4.splat(num(args, 3));
  const shift = f32x4.splat(num(args, 4));
  let x = at(ptr(args, 0), start);
  let y = at(ptr(args, 1), start);
  const end = at(ptr(args, 1), min(int(args, 2), start + size));
  for (; y < end; x += 16, y += 16) v128.store(y, madd(scale, v128.load(x), shift));
}
