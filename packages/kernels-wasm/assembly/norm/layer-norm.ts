import { at, int, num, ptr } from '../lib/args';
import { fillZero, firstLanes, loadFirst, madd, storeFirst, sumLanes, zero } from '../lib/simd';

/**
 * y = (x - mean) / √(var + epsilon) · weight + bias over rows; also each row's mean and 1/√(var + epsilon).
 * args: x, weight, bias, y, mean, rstd, rows, width, epsilon, rowsPerBlock
 */
export function layerNorm(block: i32, args: usize, _scratch: usize): void {
  const weight = ptr(args, 1);
  const bias = ptr(args, 2);
  const width = int(args, 7);
  const perBlock = int(args, 9);
  for (let row = block * perBlock, end = min(row + perBlock, int(args, 6)); row < end; row++) {
    const x = at(ptr(args, 0), row * width);
    const y = at(ptr(args, 3), row * width);
    let sum = zero();
    for (let j = 0; j < width; j += 4) sum = f32x4.add(sum, loadFirst(at(x, j), width - j));
    const mean = sumLanes(sum) / <f32>width;
    const means = f32x4.splat(mean);
    let squares = zero();
    for (let j = 0; j < width; j += 4) {
      const centred = v128.and(f32x4.sub(v128.load(at(x, j)), means), firstLanes(width - j));
      squares = madd(centred, centred, squares);
    }
    const rstd: f32 = 1 / sqrt<f32>(sumLanes(squares) / <f32>width + num(args, 8));
    store<f32>(at(ptr(args, 4), row), mean);
    store<f32>(at(ptr(args, 5), row), rstd);
    const scale = f32x4.splat(rstd);
    for (let j = 0; j < width; j += 4) {
      const normalized = f32x4.mul(f32x4.sub(v128.load(at(x, j)), means), scale);
      storeFirst(at(y, j), madd(normalized, v128.load(at(weight, j)), v128.load(at(bias, j))), width - j);
    }
  }
}

/**
 * dx, and each block's share of dweight and dbias.
 * args: dy, x, weight, mean, rstd, dx, dweight [blocks, width], dbias [blocks, width], rows, width, rowsPerBlock
 */
export function layerNormBackward(block: i32, args: usize, _scratch: usize): void {
  const weight = ptr(args, 2);
  const width = int(args, 9);
  const perBlock = int(args, 10);
  const dWeight = at(ptr(args, 6), block * width);
  const dBias = at(ptr(args, 7), block * width);
  fillZero(dWeight, width);
  fillZero(dBias, width);
  for (let row = block * perBlock, end = min(row + perBlock, int(args, 8)); row < end; row++) {
    const dy = at(ptr(args, 0), row * width);
    const x = at(ptr(args, 1), row * width);
    const dx = at(ptr(args, 5), row * width);
    const mean = v128.load32_splat(at(ptr(args, 3), row));
    const rstd = v128.load32_splat(at(ptr(args, 4), row));
    let sum = zero();
    let along = zero();
    for (let j = 0; j < width; j += 4) {
      const left = width - j;
      const dyj = loadFirst(at(dy, j), left);
      const normalized = v128.and(f32x4.mul(f32x4.sub(v128.load(at(x, j)), mean), rstd), firstLanes(left));
      const dn = f32x4.mul(dyj, loadFirst(at(weight, j), left));
      sum = f32x4.add(sum, dn);
      along = madd(dn, normalized, along);
      storeFirst(at(dWeight, j), madd(dyj, normalized, v128.load(at(dWeight, j))), left);
      storeFirst(at(dBias, j), f32x4.add(dyj, v128.load(at(dBias, j))), left);
    }
    const meanOf = f32x4.splat(sumLanes(sum) / <f32>width);
    const alongOf = f32x4.splat(-sumLanes(along) / <f32>width);
    for (let j = 0; j < width; j += 4) {
      const normalized = f32x4.mul(f32x4.sub(v128.load(at(x, j)), mean), rstd);
      const dn = f32x4.mul(v128.load(at(dy, j)), v128.load(at(weight, j)));
      storeFirst(at(dx, j), f32x4.mul(rstd, madd(normalized, alongOf, f32x4.sub(dn, meanOf))), width - j);
    }
  }
}
