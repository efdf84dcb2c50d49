import { at, int, num, ptr } from '../lib/args';
import { loadRows, storeRowGradients } from '../attention/rows';
import { storeFirst } from '../lib/simd';
import { squaredNorm, TINY } from '../attention/rows';

/** Rows brought to length `radius`. args: x, y, rows, width, radius, rowsPerBlock */
export function l2Normalize(block: i32, args: usize, _scratch: usize): void {
  const width = int(args, 3);
  const perBlock = int(args, 5);
  for (let row = block * perBlock, end = min(row + perBlock, int(args, 2)); row < end; row++) {
    const x = at(ptr(args, 0), row * width);
    const y = at(ptr(args, 1), row * width);
    const factor = f32x4.splat(num(args, 4) / sqrt<f32>(max(squaredNorm(x, width), TINY)));
    for (let j = 0; j < width; j += 4) storeFirst(at(y, j), f32x4.mul(factor, v128.load(at(x, j))), width - j);
  }
}

/** args: x, dy, dx, rows, width, radius, rowsPerBlock. Scratch: a row, padded to 8. */
export function l2NormalizeBackward(block: i32, args: usize, scratch: usize): void {
  const width = int(args, 4);
  const perBlock = int(args, 6);
  const padded = (width + 7) & ~7;
  const stride = <usize>width << 2;
  for (let row = block * perBlock, end = min(row + perBlock, int(args, 3)); row < end; row++) {
    loadRows(at(ptr(args, 1), row * width), stride, 1, width, padded, 1, 0, 1, scratch);
    const x = at(ptr(args, 0), row * width);
    storeRowGradients(scratch, padded, 1, width, num(args, 5), x, at(ptr(args, 2), row * width), stride);
  }
}
