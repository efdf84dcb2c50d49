import { LimitError, random, slice, type Tensor, vjp } from '@linattn/math';
import { type LimitedBackend, MemoryLimitError } from './limited-backend.ts';
import { attend } from './methods.ts';
import type { Method, Outcome, Pass } from './plan.ts';

export interface Size {
  readonly tokens: number;
  readonly features: number;
  readonly heads: number;
}

/** A point is run until it took this long together, within these numbers of runs; the first run warms up and does not count. */
const enoughSeconds = 0.2;
const runs = { least: 3, most: 15 } as const;
/** Of runs longer than this one counts: the first, unless it took far longer than expected, as it does where kernels compile. */
const longSeconds = 2;
/** Shorter runs are timed several at once: the clock of a page may tick in whole milliseconds, and waiting for a GPU takes some of them. */
const shortSeconds = 0.04;

/**
 * Runs one method at one size. What does not fit in memory is an outcome; everything else that fails is thrown.
 * @param expected seconds, about; 0 where nothing is known.
 */
export async function measurePoint(
  backend: LimitedBackend,
  method: Method,
  pass: Pass,
  { tokens, features, heads }: Size,
  expected = 0,
): Promise<Outcome> {
  const made: Tensor[] = [];
  try {
    for (let stream = 0; stream < 4; stream++) {
      const shape = [1, tokens, heads, features];
      made.push(random(backend, { shape, distribution: 'normal', key: [1, 0], stream: [stream, 0] }));
    }
    const [q, k, v, dOutput] = made;
    const once = pass === 'forward' ? () => [attend[method](q, k, v)] : () => both(method, q, k, v, dOutput);
    backend.resetPeak();
    const { seconds, count } = await timed(once, expected);
    return { type: 'measured', seconds, runs: count, peakBytes: backend.peakBytes() };
  } catch (error) {
    if (isOutOfMemory(error)) return { type: 'memory', message: error.message };
    throw error;
  } finally {
    for (const each of made) each.dispose();
  }
}

/**
 * The median time of a run, and how many were timed. Runs that are timed together are queued and waited for once, as in a model: waiting for
 * a GPU takes a browser milliseconds, whatever it computes.
 */
async function timed(
  once: () => readonly Tensor[],
  expected: number,
): Promise<{ readonly seconds: number; readonly count: number }> {
  let together = 1;
  const time = async () => {
    const started = performance.now();
    let results: readonly Tensor[] = [];
    for (let i = 0; i < together; i++) {
      for (const each of results) each.dispose();
      results = once();
    }
    await finish(results);
    return (performance.now() - started) / 1000;
  };
  const warmUp = await time();
  if (warmUp > longSeconds && warmUp < 3 * expected) return { seconds: warmUp, count: 1 };
  let total = await time();
  if (total > longSeconds) return { seconds: total, count: 1 };
  while (total < shortSeconds) {
    together *= 2;
    total = await time();
  }
  const times = [total / together];
  while (times.length < runs.least || (total < enoughSeconds && times.length < runs.most)) {
    const seconds = await time();
    times.push(seconds / together);
    total += seconds;
  }
  times.sort((x, y) => x - y);
  return { seconds: times[Math.floor(times.length / 2)], count: times.length * together };
}

/** Reading one number is what makes a device that queues its work finish it. */
async function finish(results: readonly Tensor[]): Promise<void> {
  const parts = results.map((result) => slice(result, 1, 0, 1));
  for (const part of parts) await part.read();
  for (const each of [...parts, ...results]) each.dispose();
}

function both(method: Method, q: Tensor, k: Tensor, v: Tensor, dOutput: Tensor): readonly Tensor[] {
  const { outputs, pullback } = vjp(() => [attend[method](q, k, v)], [q, k, v]);
  try {
    return pullback([dOutput]);
  } finally {
    outputs[0].dispose();
  }
}

function isOutOfMemory(error: unknown): error is Error {
  if (error instanceof MemoryLimitError || error instanceof LimitError) return true;
  if (!(error instanceof Error)) return false;
  return (
    /out of memory/i.test(error.message) || (error instanceof RangeError && /array|buffer|alloc/i.test(error.message))
  );
}
