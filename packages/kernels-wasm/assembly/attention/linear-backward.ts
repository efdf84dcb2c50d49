import { linearBackwardKeys } from './linear-backward-keys';
import { linearBackwardQueries } from './linear-backward-queries';

/**
 * The two halves share nothing but inputs: even blocks do the keys of a group of heads, odd ones its queries. Keys take half as long
 * again: with them first, two threads end together.
 */
export function linearBackward(block: i32, args: usize, scratch: usize): void {
  if (block & 1) linearBackwardQueries(block >> 1, args, scratch);
  else linearBackwardKeys(block >> 1, args, scratch);
}
