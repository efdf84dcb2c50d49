import type { Backend } from './backend.ts';
import type { Tensor } from './tensor.ts';

interface Check {
  readonly tensor: Tensor;
  readonly verify: (values: ArrayLike<number>) => void;
}

const pending = new WeakMap<Backend, Check[]>();

/**
 * A check of numbers that only the device knows yet. It runs before the next read on that backend, which fails with what
 * `verify` throws. Takes over `tensor` (which must be in no scope).
 */
export function deferCheck(tensor: Tensor, verify: Check['verify']): void {
  const checks = pending.get(tensor.backend) ?? [];
  checks.push({ tensor, verify });
  pending.set(tensor.backend, checks);
}

/** Runs the pending checks in order; all are dropped, also when one throws. */
export async function flushChecks(backend: Backend): Promise<void> {
  const checks = pending.get(backend)?.splice(0) ?? [];
  try {
    for (const { tensor, verify } of checks) verify(await backend.download(tensor.handle, tensor));
  } finally {
    for (const { tensor } of checks) tensor.dispose();
  }
}
