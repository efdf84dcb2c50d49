import { at } from '../lib/args';
import { transpose4 } from '../lib/simd';

/**
 * Lays `count` vectors of length `depth` into panels [ceil(count / width)][depth][width], zeros where the last is not full.
 * Element k of vector i is at x + i vectorStride + k elementStride (bytes), one of which is 4. `width` is 4, 6 or 8.
 */
export function pack(
  count: i32,
  depth: i32,
  width: i32,
  x: usize,
  vectorStride: usize,
  elementStride: usize,
  panels: usize,
): void {
  const line = <usize>width << 2;
  const whole = count - (count % width);
  if (vectorStride == 4) packAcross(whole, depth, width, x, elementStride, panels, line);
  else packAlong(whole, depth, width, x, vectorStride, panels, line);
  if (whole == count) return;
  const from = x + <usize>whole * vectorStride;
  const to = at(panels, whole * depth);
  for (let k = 0; k < depth; k++) {
    for (let r = 0; r < width; r++) {
      const value: f32 = r < count - whole ? load<f32>(from + <usize>r * vectorStride + <usize>k * elementStride) : 0;
      store<f32>(at(to, k * width + r), value);
    }
  }
}

/** Vectors side by side in memory: their k-th elements are copied together. */
function packAcross(count: i32, depth: i32, width: i32, x: usize, stride: usize, panels: usize, line: usize): void {
  const panel = <usize>depth * line;
  for (let k = 0; k < depth; k++) {
    let from = x + <usize>k * stride;
    let to = panels + <usize>k * line;
    for (let i = 0; i < count; i += width, from += line, to += panel) {
      v128.store(to, v128.load(from));
      if (width == 8) v128.store(to, v128.load(from, 16), 16);
      else if (width == 6) store<i64>(to, load<i64>(from, 16), 16);
    }
  }
}

/** Vectors contiguous: transposed four by four, the last two of six by themselves. */
function packAlong(count: i32, depth: i32, width: i32, x: usize, stride: usize, panels: usize, line: usize): void {
  const depth4 = depth & ~3;
  for (let i = 0; i < count; i += width) {
    const to = at(panels, i * depth);
    for (let r = 0; r < width; r += 4) {
      const from = x + <usize>(i + r) * stride;
      if (r + 4 <= width) {
        for (let k = 0; k < depth4; k += 4) transpose4(at(from, k), stride, at(to, k * width + r), line);
      } else {
        for (let k = 0; k < depth4; k += 4) transpose2(at(from, k), stride, at(to, k * width + r), line);
      }
    }
    for (let k = depth4; k < depth; k++) {
      for (let r = 0; r < width; r++) store<f32>(at(to, k * width + r), load<f32>(at(x + <usize>(i + r) * stride, k)));
    }
  }
}

/** Four elements of two vectors become four pairs. */
// @ts-ignore: decorator
@inline function transpose2(source: usize, sourceStride: usize, target: usize, targetStride: usize): void {
  const r0 = v128.load(source);
  const r1 = v128.load(source + sourceStride);
  const low = v128.shuffle<f32>(r0, r1, 0, 4, 1, 5);
  const high = v128.shuffle<f32>(r0, r1, 2, 6, 3, 7);
  v128.store64_lane(target, low, 0);
  v128.store64_lane(target + targetStride, low, 1);
  v128.store64_lane(target + 2 * targetStride, high, 0);
  v128.store64_lane(target + 3 * targetStride, high, 1);
}
