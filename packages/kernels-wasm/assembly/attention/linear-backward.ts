import { linearBackwardKeys } from './linear-backward-keys';
import { linearBackwardQueries } from './linear-backward-queries';

/** The two halves share nothing but inputs: even blocks do the queries of a group of heads, odd ones its keys. */
export function linearBackward(block: i32, args: usize, scratch: usize): void {
  if (block & 1) linearBackwardKeys(block >> 1, args, scratch);
  else linearBackwardQueries(block >> 1, args, scratch);
}
