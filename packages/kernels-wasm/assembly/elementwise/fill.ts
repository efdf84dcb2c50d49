import { at, int, num, ptr } from '../lib/args';

/** y[...] = value. args: y, n, value, blockSize (a multiple of 4) */
export function fill(block: i32, args: usize, _scratch: usize): void {
  const size = int(args, 3);
  const start = block * size;
  const y = ptr(args, 0);
  const value = f32x4.splat(num(args, 2));
  for (let p = at(y, start), end = at(y, min(int(args, 1), start + size)); p < end; p += 16) v128.store(p, value);
}
