import { at, int, num, ptr } from '../lib/args';
import { fillZero, loadFirst, madd, storeFirst, sumLanes, zero } from '../lib/simd';

/**
 * y = x / √(mean x² + epsilon) · weight over rows; also each row's 1/√(…).
 * args: x, weight, y, rstd, rows, width, epsilon, rowsPerBlock
 */
export function rmsNorm(block: i32, args: usize, _scratch: usize): void {
  const weight = ptr(args, 1);
  const width = int(args, 5);
  const perBlock = int(args, 7);
  for (let row = block * perBlock, end = min(row + perBlock, int(args, 4)); row < end; row++) {
    const x = at(ptr(args, 0), row * width);
    const y = at(ptr(args, 2), row * width);
    let squares = zero();
    for (let j = 0; j < width; j += 4) {
      const xj = loadFirst(at(x, j), width - j);
      squares = madd(xj, xj, squares);
    }
    const rstd: f32 = 1 / sqrt<f32>(sumLanes(squares) / <f32>width + num(args, 6));
    store<f32>(at(ptr(args, 3), row), rstd);
    const scale = f32x4.splat(rstd);
    for (let j = 0; j < width; j += 4) {
      const normalized = f32x4.mul(v128.load(at(x, j)), scale);
      storeFirst(at(y, j), f32x4.mul(normalized, v128.load(at(weight, j))), width - j);
    }
  }
}

/**
 * dx, and each block's share of dweight.
 * args: dy, x, weight, rstd, dx, dweight [blocks, width], rows, width, rowsPerBlock
 */
export function rmsNormBackward(block: i32, args: usize, _scratch: usize): void {
  const weight = ptr(args, 2);
  const width = int(args, 7);
  const perBlock = int(args, 8);
  const dWeight = at(ptr(args, 5), block * width);
  fillZero(dWeight, width);
  for (let row = block * perBlock, end = min(row + perBlock, int(args, 6)); row < end; row++) {
    const dy = at(ptr(args, 0), row * width);
    const x = at(ptr(args, 1), row * width);
    const dx = at(ptr(args, 4), row * width);
    const rstd = v128.load32_splat(at(ptr(args, 3), row));
    let along = zero();
    for (let j = 0; j < width; j += 4) {
      const left = width - j;
      const dyj = loadFirst(at(dy, j), left);
      const normalized = f32x4.mul(loadFirst(at(x, j), left), rstd);
      along = madd(f32x4.mul(dyj, loadFirst(at(weight, j), left)), normalized, along);
      storeFirst(at(dWeight, j), madd(dyj, normalized, v128.load(at(dWeight, j))), left);
    }
    const alongOf = f32x4.splat(-sumLanes(along) / <f32>width);
    for (let j = 0; j < width; j += 4) {
      const normalized = f32x4.mul(v128.load(at(x, j)), rstd);
      const dn = f32x4.mul(v128.load(at(dy, j)), v128.load(at(weight, j)));
      storeFirst(at(dx, j), f32x4.mul(rstd, madd(normalized, alongOf, dn)), width - j);
    }
  }
}
