import { at, int, ptr } from '../lib/args';

/**
 * Copies runs of contiguous numbers: how slices, pads and concatenations move.
 * args: x, xStride, xStart, y, yStride, yStart, length, runs, runsPerBlock
 */
export function copyRuns(block: i32, args: usize, _scratch: usize): void {
  const x = at(ptr(args, 0), int(args, 2));
  const xStride = int(args, 1);
  const y = at(ptr(args, 3), int(args, 5));
  const yStride = int(args, 4);
  const bytes = <usize>int(args, 6) << 2;
  const perBlock = int(args, 8);
  for (let run = block * perBlock, end = min(run + perBlock, int(args, 7)); run < end; run++) {
    memory.copy(at(y, run * yStride), at(x, run * xStride), bytes);
  }
}
