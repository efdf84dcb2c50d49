import { at, int, ptr } from '../lib/args';
import { fillZero } from '../lib/simd';

/** y[i] = table[indices[i]]; zeros for an index outside. args: table, indices, y, tableRows, width, n, perBlock */
export function gather(block: i32, args: usize, _scratch: usize): void {
  const table = ptr(args, 0);
  const indices = ptr(args, 1);
  const y = ptr(args, 2);
  const rows = int(args, 3);
  const width = int(args, 4);
  const perBlock = int(args, 6);
  for (let i = block * perBlock, end = min(i + perBlock, int(args, 5)); i < end; i++) {
    const row = load<i32>(at(indices, i));
    const to = at(y, i * width);
    if (row >= 0 && row < rows) memory.copy(to, at(table, row * width), <usize>width << 2);
    else fillZero(to, width);
  }
}
