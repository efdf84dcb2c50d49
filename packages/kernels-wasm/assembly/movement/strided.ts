import { at, int, ptr } from '../lib/args';

/**
 * y[row, i] = x[offset(row) + i step]: stretches (step or strides 0), and any reordering of axes that no faster kernel takes.
 * args: x, y, inner, step, rowsPerBlock, rows, outer axes, then for each (from the last): extent, stride
 */
export function copyStrided(block: i32, args: usize, _scratch: usize): void {
  const x = ptr(args, 0);
  const y = ptr(args, 1);
  const inner = int(args, 2);
  const step = int(args, 3);
  const perBlock = int(args, 4);
  const axes = int(args, 6);
  for (let row = block * perBlock, end = min(row + perBlock, int(args, 5)); row < end; row++) {
    let index = row;
    let offset = 0;
    for (let axis = 0; axis < axes; axis++) {
      const extent = int(args, 7 + 2 * axis);
      offset += (index % extent) * int(args, 8 + 2 * axis);
      index /= extent;
    }
    let from = at(x, offset);
    let to = at(y, row * inner);
    if (step == 1) {
      memory.copy(to, from, <usize>inner << 2);
    } else {
      const bytes = <usize>step << 2;
      for (const stop = to + (<usize>inner << 2); to < stop; to += 4, from += bytes) store<u32>(to, load<u32>(from));
    }
  }
}
