// Four float32 lanes and what every kernel does with them.

/** a b + c: fused where this build has relaxed SIMD, rounded twice elsewhere. */
// @ts-ignore: decorator
@inline export function madd(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return v128.relaxed_madd<f32>(a, b, c);
  return f32x4.add(f32x4.mul(a, b), c);
}

// @ts-ignore: decorator
@inline export function zero(): v128 {
  return f32x4.splat(0);
}

// @ts-ignore: decorator
@inline export function sumLanes(x: v128): f32 {
  return (
    f32x4.extract_lane(x, 0) + f32x4.extract_lane(x, 1) + (f32x4.extract_lane(x, 2) + f32x4.extract_lane(x, 3))
  );
}

// @ts-ignore: decorator
@inline export function maxLanes(x: v128): f32 {
  return max(
    max(f32x4.extract_lane(x, 0), f32x4.extract_lane(x, 1)),
    max(f32x4.extract_lane(x, 2), f32x4.extract_lane(x, 3)),
  );
}

/** All bits set in lanes 0 to count - 1; count may be below 0 or over 4. */
// @ts-ignore: decorator
@inline export function firstLanes(count: i32): v128 {
  return i32x4.lt_s(i32x4(0, 1, 2, 3), i32x4.splat(count));
}

/** Stores lanes 0 to count - 1 only: what follows may be another thread's. */
// @ts-ignore: decorator
@inline export function storeFirst(p: usize, x: v128, count: i32): void {
  if (count >= 4) {
    v128.store(p, x);
  } else if (count > 0) {
    v128.store32_lane(p, x, 0);
    if (count > 1) v128.store32_lane(p, x, 1, 4);
    if (count > 2) v128.store32_lane(p, x, 2, 8);
  }
}

/** Loads lanes 0 to count - 1 and zeros. Reading a little past an array is safe: memory has a margin at its end. */
// @ts-ignore: decorator
@inline export function loadFirst(p: usize, count: i32): v128 {
  return v128.and(v128.load(p), firstLanes(count));
}

// @ts-ignore: decorator
@inline export function fillZero(p: usize, floats: i32): void {
  memory.fill(p, 0, <usize>(<u32>floats) << 2);
}

/** y[0..n) += s x[0..n), n a multiple of 4. */
// @ts-ignore: decorator
@inline export function axpy(n: i32, s: v128, x: usize, y: usize): void {
  for (let end = y + (<usize>n << 2); y < end; x += 16, y += 16) v128.store(y, madd(s, v128.load(x), v128.load(y)));
}

/** x · y over n floats, n a multiple of 4. */
// @ts-ignore: decorator
@inline export function dot(n: i32, x: usize, y: usize): f32 {
  let s = zero();
  for (let end = x + (<usize>n << 2); x < end; x += 16, y += 16) s = madd(v128.load(x), v128.load(y), s);
  return sumLanes(s);
}

/** Transposes a 4 x 4 block; strides in bytes. */
// @ts-ignore: decorator
@inline export function transpose4(source: usize, sourceStride: usize, target: usize, targetStride: usize): void {
  const r0 = v128.load(source);
  const r1 = v128.load(source + sourceStride);
  const r2 = v128.load(source + 2 * sourceStride);
  const r3 = v128.load(source + 3 * sourceStride);
  const low01 = v128.shuffle<f32>(r0, r1, 0, 4, 1, 5);
  const high01 = v128.shuffle<f32>(r0, r1, 2, 6, 3, 7);
  const low23 = v128.shuffle<f32>(r2, r3, 0, 4, 1, 5);
  const high23 = v128.shuffle<f32>(r2, r3, 2, 6, 3, 7);
  v128.store(target, v128.shuffle<f32>(low01, low23, 0, 1, 4, 5));
  v128.store(target + targetStride, v128.shuffle<f32>(low01, low23, 2, 3, 6, 7));
  v128.store(target + 2 * targetStride, v128.shuffle<f32>(high01, high23, 0, 1, 4, 5));
  v128.store(target + 3 * targetStride, v128.shuffle<f32>(high01, high23, 2, 3, 6, 7));
}

/** target[c, r] = source[r, c]; rows and columns multiples of 4, strides in bytes. */
export function transposeTile(
  rows: i32,
  columns: i32,
  source: usize,
  sourceStride: usize,
  target: usize,
  targetStride: usize,
): void {
  for (let r = 0; r < rows; r += 4) {
    for (let c = 0; c < columns; c += 4) {
      transpose4(at4(source + <usize>r * sourceStride, c), sourceStride, at4(target + <usize>c * targetStride, r), targetStride);
    }
  }
}

// @ts-ignore: decorator
@inline function at4(p: usize, i: i32): usize {
  return p + (<usize>i << 2);
}
