import { at, int, ptr } from '../lib/args';
import { transpose4 } from '../lib/simd';

/**
 * Matrices [rows, columns] written as [columns, rows], over outer axes; strides of source rows and target rows are free.
 * args: x, y, rows, columns, xRowStride, yRowStride, outer axes, then for each (from the last): extent, xStride, yStride.
 * Block: one matrix.
 */
export function transposeMatrices(block: i32, args: usize, _scratch: usize): void {
  const rows = int(args, 2);
  const columns = int(args, 3);
  const xRow = <usize>int(args, 4) << 2;
  const yRow = <usize>int(args, 5) << 2;
  const axes = int(args, 6);
  let x = ptr(args, 0);
  let y = ptr(args, 1);
  let index = block;
  for (let axis = 0; axis < axes; axis++) {
    const extent = int(args, 7 + 3 * axis);
    const i = index % extent;
    index /= extent;
    x = at(x, i * int(args, 8 + 3 * axis));
    y = at(y, i * int(args, 9 + 3 * axis));
  }
  const rows4 = rows & ~3;
  const columns4 = columns & ~3;
  for (let r = 0; r < rows4; r += 4) {
    for (let c = 0; c < columns4; c += 4) {
      transpose4(at(x, c) + <usize>r * xRow, xRow, at(y, r) + <usize>c * yRow, yRow);
    }
  }
  for (let r = 0; r < rows; r++) {
    for (let c = r < rows4 ? columns4 : 0; c < columns; c++) {
      store<u32>(at(y, r) + <usize>c * yRow, load<u32>(at(x, c) + <usize>r * xRow));
    }
  }
}
