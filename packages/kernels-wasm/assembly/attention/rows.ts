import { at } from '../lib/args';
import { fillZero, firstLanes, loadFirst, madd, storeFirst, sumLanes, zero } from '../lib/simd';

/** Below this squared length a vector counts as zero (`tinySquaredNorm` of @linattn/math). */
export const TINY: f32 = 1e-36;

/** |x|² over n floats. */
// @ts-ignore: decorator
@inline export function squaredNorm(x: usize, n: i32): f32 {
  let even = zero();
  let odd = zero();
  let i = 0;
  for (; i + 8 <= n; i += 8) {
    const x0 = v128.load(at(x, i));
    const x1 = v128.load(at(x, i), 16);
    even = madd(x0, x0, even);
    odd = madd(x1, x1, odd);
  }
  for (; i < n; i += 4) {
    const xi = loadFirst(at(x, i), n - i);
    even = madd(xi, xi, even);
  }
  return sumLanes(f32x4.add(even, odd));
}

/**
 * target[j] += scale Σ_i w_i x[i, j] over rows of `columns` floats (a multiple of 8); without weights (0) each w_i is 1. Sums stay in
 * registers over all rows.
 */
export function addColumnSums(x: usize, columns: i32, rows: i32, weights: usize, scale: f32, target: usize): void {
  const scales = f32x4.splat(scale);
  for (let j = 0; j < columns; j += 16) {
    const wide = j + 16 <= columns;
    let s0 = zero();
    let s1 = s0;
    let s2 = s0;
    let s3 = s0;
    for (let i = 0; i < rows; i++) {
      const from = at(x, i * columns + j);
      const w = weights ? v128.load32_splat(at(weights, i)) : f32x4.splat(1);
      s0 = madd(w, v128.load(from), s0);
      s1 = madd(w, v128.load(from, 16), s1);
      if (wide) {
        s2 = madd(w, v128.load(from, 32), s2);
        s3 = madd(w, v128.load(from, 48), s3);
      }
    }
    const to = at(target, j);
    v128.store(to, madd(scales, s0, v128.load(to)));
    v128.store(to, madd(scales, s1, v128.load(to, 16)), 16);
    if (wide) {
      v128.store(to, madd(scales, s2, v128.load(to, 32)), 32);
      v128.store(to, madd(scales, s3, v128.load(to, 48)), 48);
    }
  }
}

/**
 * target[i, 0..padded) = scale x_i, where x_i has `width` floats and is first brought to length `radius` if that is > 0.
 * Rows from `rows` to `size` and columns from `width` on become zeros. `stride` in bytes.
 */
export function loadRows(
  x: usize,
  stride: usize,
  rows: i32,
  width: i32,
  padded: i32,
  size: i32,
  radius: f32,
  scale: f32,
  target: usize,
): void {
  for (let i = 0; i < rows; i++) {
    const from = x + <usize>i * stride;
    const to = at(target, i * padded);
    let factor = scale;
    if (radius > 0) factor *= radius / sqrt<f32>(max(squaredNorm(from, width), TINY));
    const factors = f32x4.splat(factor);
    let d = 0;
    for (; d + 16 <= width; d += 16) {
      const x = at(from, d);
      const y = at(to, d);
      v128.store(y, f32x4.mul(factors, v128.load(x)));
      v128.store(y, f32x4.mul(factors, v128.load(x, 16)), 16);
      v128.store(y, f32x4.mul(factors, v128.load(x, 32)), 32);
      v128.store(y, f32x4.mul(factors, v128.load(x, 48)), 48);
    }
    for (; d < padded; d += 4) {
      v128.store(at(to, d), v128.and(f32x4.mul(factors, v128.load(at(from, d))), firstLanes(width - d)));
    }
  }
  if (rows < size) fillZero(at(target, rows * padded), (size - rows) * padded);
}

/** Writes `width` floats of each row. */
export function storeRows(source: usize, padded: i32, rows: i32, width: i32, target: usize, stride: usize): void {
  for (let i = 0; i < rows; i++) {
    const from = at(source, i * padded);
    const to = target + <usize>i * stride;
    let d = 0;
    for (; d + 16 <= width; d += 16) {
      const x = at(from, d);
      const y = at(to, d);
      v128.store(y, v128.load(x));
      v128.store(y, v128.load(x, 16), 16);
      v128.store(y, v128.load(x, 32), 32);
      v128.store(y, v128.load(x, 48), 48);
    }
    for (; d < width; d += 4) storeFirst(at(to, d), v128.load(at(from, d)), width - d);
  }
}

/**
 * Gradients of rows as given from gradients of rows brought to length `radius`:
 * (radius / |x|) (dy - x (x·dy) / |x|²), 0 for a zero vector; unchanged if radius is 0. `source` is padded, x and target are not.
 */
export function storeRowGradients(
  source: usize,
  padded: i32,
  rows: i32,
  width: i32,
  radius: f32,
  x: usize,
  target: usize,
  stride: usize,
): void {
  if (radius == 0) {
    storeRows(source, padded, rows, width, target, stride);
    return;
  }
  for (let i = 0; i < rows; i++) {
    const from = at(source, i * padded);
    const raw = x + <usize>i * stride;
    const to = target + <usize>i * stride;
    const norm2 = squaredNorm(raw, width);
    let along: f32 = 0;
    let perLength: f32 = 0;
    if (norm2 > TINY) {
      let s = zero();
      for (let d = 0; d < width; d += 4) s = madd(loadFirst(at(raw, d), width - d), v128.load(at(from, d)), s);
      along = -sumLanes(s) / norm2;
      perLength = radius / sqrt<f32>(norm2);
    }
    const a = f32x4.splat(along);
    const r = f32x4.splat(perLength);
    for (let d = 0; d < width; d += 4) {
      const dx = f32x4.mul(r, madd(a, v128.load(at(raw, d)), v128.load(at(from, d))));
      storeFirst(at(to, d), dx, width - d);
    }
  }
}
