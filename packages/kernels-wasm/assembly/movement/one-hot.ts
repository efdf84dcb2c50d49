import { at, int, ptr } from '../lib/args';
import { fillZero } from '../lib/simd';

/** y[i, indices[i]] = 1, else 0. args: indices, y, depth, n, perBlock */
export function oneHot(block: i32, args: usize, _scratch: usize): void {
  const indices = ptr(args, 0);
  const y = ptr(args, 1);
  const depth = int(args, 2);
  const perBlock = int(args, 4);
  const start = block * perBlock;
  const end = min(start + perBlock, int(args, 3));
  fillZero(at(y, start * depth), (end - start) * depth);
  for (let i = start; i < end; i++) {
    const index = load<i32>(at(indices, i));
    if (index >= 0 && index < depth) store<f32>(at(y, i * depth + index), 1);
  }
}
