import { at, int, num, ptr } from '../lib/args';
import { madd } from '../lib/simd';

/**
 * AdamW on every parameter, in place: a block is a stretch of one of them.
 * args: groups, count, gradient scale (pointer), 1 - lr decay is the group's; then beta1, beta2, lr / (1 - beta1^t),
 * 1 / (1 - beta2^t), epsilon, stretch. A group is 6 float64 words: p, g, m, v, elements, decay factor.
 */
export function adamW(block: i32, args: usize, _scratch: usize): void {
  const stretch = int(args, 8);
  let group = ptr(args, 0);
  let index = block;
  for (let i = 0, count = int(args, 1); i < count; i++, group += 48) {
    const blocks = (int(group, 4) + stretch - 1) / stretch;
    if (index < blocks) break;
    index -= blocks;
  }
  const start = index * stretch;
  const end = min(int(group, 4), start + stretch);
  const p = ptr(group, 0);
  const g = ptr(group, 1);
  const m = ptr(group, 2);
  const v = ptr(group, 3);
  const decay = f32x4.splat(num(group, 5));
  const scale = v128.load32_splat(ptr(args, 2));
  const beta1 = f32x4.splat(num(args, 3));
  const beta2 = f32x4.splat(num(args, 4));
  const rest1 = f32x4.splat(<f32>(1 - load<f64>(args, 24)));
  const rest2 = f32x4.splat(<f32>(1 - load<f64>(args, 32)));
  const rate = f32x4.splat(num(args, 5));
  const correction2 = f32x4.splat(num(args, 6));
  const epsilon = f32x4.splat(num(args, 7));
  for (let i = start; i < end; i += 4) {
    // All is loaded before anything is stored: arrays of whole pages end in the same address bits, and a load waits for such a store.
    const pi = v128.load(at(p, i));
    const gi = f32x4.mul(scale, v128.load(at(g, i)));
    const mi = madd(beta1, v128.load(at(m, i)), f32x4.mul(rest1, gi));
    const vi = madd(beta2, v128.load(at(v, i)), f32x4.mul(rest2, f32x4.mul(gi, gi)));
    const update = f32x4.div(f32x4.mul(rate, mi), f32x4.add(f32x4.sqrt(f32x4.mul(vi, correction2)), epsilon));
    v128.store(at(m, i), mi);
    v128.store(at(v, i), vi);
    v128.store(at(p, i), f32x4.sub(f32x4.mul(decay, pi), update));
  }
}
