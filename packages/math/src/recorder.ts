import type { Maybe, Op } from './op.ts';
import type { Tensor } from './tensor.ts';

/** What listens to operations as they run: a tape. */
export interface Recorder {
  record<A>(op: Op<A>, attributes: A, inputs: readonly Maybe<Tensor>[], outputs: readonly Tensor[]): void;
  /** True when a gradient flows back to, or through, this tensor. */
  tracks(tensor: Tensor): boolean;
}

// Recording is synchronous, so one variable a JavaScript thread is enough.
let active: Recorder | undefined;

export const recorder = (): Recorder | undefined => active;

/** True when an operation on these will be asked for gradients: some do in forward what they would do twice otherwise. */
export const differentiated = (...tensors: readonly Tensor[]): boolean =>
  tensors.some((tensor) => active?.tracks(tensor));

/** Runs `body` with another recorder, or none. */
export function withRecorder<T>(next: Recorder | undefined, body: () => T): T {
  const outer = active;
  active = next;
  try {
    return body();
  } finally {
    active = outer;
  }
}

/** Runs `body` without recording it for gradients. */
export const untaped = <T>(body: () => T): T => withRecorder(undefined, body);
