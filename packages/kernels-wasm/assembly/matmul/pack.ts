import { at } from '../lib/args';
import { firstLanes, transpose4 } from '../lib/simd';

/**
 * Lays `count` vectors of length `depth` into panels [ceil(count / width)][depth][width], zeros where the last is not full.
 * Element k of vector i is at x + i vectorStride + k elementStride (bytes), one of which is 4. `width` is 4 or 8.
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
  if (vectorStride == 4) packAcross(count, depth, width, x, elementStride, panels, line);
  else packAlong(count, depth, width, x, vectorStride, panels, line);
}

/** Vectors side by side in memory: their k-th elements are copied together. */
function packAcross(count: i32, depth: i32, width: i32, x: usize, stride: usize, panels: usize, line: usize): void {
  const panel = <usize>depth * line;
  const whole = count - (count % width);
  for (let k = 0; k < depth; k++) {
    let from = x + <usize>k * stride;
    let to = panels + <usize>k * line;
    if (width == 8) {
      for (let i = 0; i < whole; i += 8, from += 32, to += panel) {
        v128.store(to, v128.load(from));
        v128.store(to, v128.load(from, 16), 16);
      }
    } else {
      for (let i = 0; i < whole; i += 4, from += 16, to += panel) v128.store(to, v128.load(from));
    }
    const rest = count - whole;
    if (rest > 0) {
      v128.store(to, v128.and(v128.load(from), firstLanes(rest)));
      if (width == 8) v128.store(to, v128.and(v128.load(from, 16), firstLanes(rest - 4)), 16);
    }
  }
}

/** Vectors contiguous: transposed four by four. */
function packAlong(count: i32, depth: i32, width: i32, x: usize, stride: usize, panels: usize, line: usize): void {
  const panel = <usize>depth * line;
  const depth4 = depth & ~3;
  const padded = count + width - 1 - ((count + width - 1) % width);
  for (let i = 0; i < padded; i += 4) {
    const from = x + <usize>i * stride;
    const to = panels + <usize>(i / width) * panel + (<usize>(i % width) << 2);
    const live = count - i;
    if (live >= 4) {
      for (let k = 0; k < depth4; k += 4) transpose4(at(from, k), stride, to + <usize>k * line, line);
      for (let k = depth4; k < depth; k++) {
        for (let r = 0; r < 4; r++) store<f32>(at(to + <usize>k * line, r), load<f32>(at(from + <usize>r * stride, k)));
      }
    } else {
      for (let k = 0; k < depth; k++) {
        for (let r = 0; r < 4; r++) {
          store<f32>(at(to + <usize>k * line, r), r < live ? load<f32>(at(from + <usize>r * stride, k)) : 0);
        }
      }
    }
  }
}
