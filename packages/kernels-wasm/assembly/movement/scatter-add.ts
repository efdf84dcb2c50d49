import { at, int, ptr } from '../lib/args';
import { firstLanes } from '../lib/simd';
import { storeFirst } from '../lib/simd';

/**
 * y[indices[i]] += x[i], in the order of i, onto zeros. A block owns some columns of every row, so that no two threads add to one
 * number. args: indices, x, y, rows, width, n, columnsPerBlock
 */
export function scatterAdd(block: i32, args: usize, _scratch: usize): void {
  const indices = ptr(args, 0);
  const rows = int(args, 3);
  const width = int(args, 4);
  const n = int(args, 5);
  const perBlock = int(args, 6);
  const start = block * perBlock;
  const columns = min(perBlock, width - start);
  const x = at(ptr(args, 1), start);
  const y = at(ptr(args, 2), start);
  for (let row = 0; row < rows; row++) memory.fill(at(y, row * width), 0, <usize>columns << 2);
  const whole = columns & ~3;
  const rest = columns - whole;
  const mask = firstLanes(rest);
  for (let i = 0; i < n; i++) {
    const row = load<i32>(at(indices, i));
    if (row < 0 || row >= rows) continue;
    const from = at(x, i * width);
    const to = at(y, row * width);
    for (let j = 0; j < whole; j += 4) {
      v128.store(at(to, j), f32x4.add(v128.load(at(to, j)), v128.load(at(from, j))));
    }
    if (rest) {
      const sum = f32x4.add(v128.load(at(to, whole)), v128.load(at(from, whole)));
      storeFirst(at(to, whole), v128.and(sum, mask), rest);
    }
  }
}
