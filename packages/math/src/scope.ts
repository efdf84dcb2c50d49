import { ValueError } from './errors.ts';
import type { Tensor } from './tensor.ts';

// One stack a JavaScript thread: recording is synchronous, so a scope never interleaves with another.
const stack: Set<Tensor>[] = [];

/** Enters a new tensor into the innermost scope. */
export function register(tensor: Tensor): void {
  stack.at(-1)?.add(tensor);
}

/** Takes a tensor out of the innermost scope: its maker disposes it. */
export function keep<T extends Tensor>(tensor: T): T {
  stack.at(-1)?.delete(tensor);
  return tensor;
}

/**
 * Runs `body` and disposes every tensor made inside it, except those in the value it returns (a tensor, or arrays and plain
 * objects of them), which move to the enclosing scope.
 * @throws ValueError when `body` returns a promise: recording is synchronous; read results after the scope.
 */
export function scope<T>(body: () => T): T {
  const made = new Set<Tensor>();
  stack.push(made);
  try {
    const result = body();
    if (result instanceof Promise) throw new ValueError('body', 'a promise', 'a synchronous function');
    for (const tensor of tensorsIn(result)) made.delete(tensor) && stack.at(-2)?.add(tensor);
    return result;
  } finally {
    stack.pop();
    for (const tensor of made) tensor.dispose();
  }
}

/** Runs `body` with no enclosing scope: what it makes is owned by whoever holds it. */
export function unscoped<T>(body: () => T): T {
  const outer = stack.splice(0);
  try {
    return body();
  } finally {
    stack.push(...outer);
  }
}

function* tensorsIn(value: unknown): Generator<Tensor> {
  if (typeof value !== 'object' || value === null) return;
  // Told by shape, not by class: an import of Tensor here would close a circle.
  if ('backend' in value && 'handle' in Object.getPrototypeOf(value)) yield value as Tensor;
  else if (Array.isArray(value)) for (const item of value) yield* tensorsIn(item);
  else if (Object.getPrototypeOf(value) === Object.prototype)
    for (const item of Object.values(value)) yield* tensorsIn(item);
}
