/** One way to do a piece of work. */
export interface Subject {
  readonly name: string;
  /** Does it once, results awaited. */
  readonly run: () => void | Promise<void>;
}

/** A subject's times at one piece of work, in milliseconds. */
export interface Timing {
  readonly subject: string;
  /** The first run, with whatever it compiles: apart from the others. */
  readonly first: number;
  readonly median: number;
  readonly best: number;
  readonly runs: number;
  /** Why there is no time. */
  readonly failed?: string;
}

export const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((x, y) => x - y);
  return sorted.length % 2
    ? sorted[sorted.length >> 1]
    : (sorted[sorted.length / 2 - 1] + sorted[sorted.length / 2]) / 2;
};

/** A turn of short work is so long at least: a single run after somebody else's turn mostly measures cold caches. */
const turnMs = 15;

async function timeOf(run: Subject['run'], times = 1): Promise<number> {
  const start = performance.now();
  for (let i = 0; i < times; i++) await run();
  return (performance.now() - start) / times;
}

/**
 * Times subjects in turns, so that a slow minute of the machine falls on all of them. A subject gets `rounds` turns, but no more
 * than fit in `budgetMs` (one at least).
 */
export async function interleave(
  subjects: readonly Subject[],
  { rounds, budgetMs }: { readonly rounds: number; readonly budgetMs: number },
): Promise<Timing[]> {
  const entries = await Promise.all(
    subjects.map(async (subject) => ({ subject, first: 0, repeats: 1, times: [] as number[], failed: '' })),
  );
  for (const entry of entries) {
    try {
      entry.first = await timeOf(entry.subject.run);
      if (entry.first < 1000) entry.repeats = Math.max(1, Math.round(turnMs / (await timeOf(entry.subject.run))));
    } catch (error) {
      entry.failed = error instanceof Error ? error.message : String(error);
    }
  }
  for (let round = 0; round < rounds; round++) {
    for (const entry of entries) {
      const spent = entry.repeats * entry.times.reduce((sum, time) => sum + time, 0);
      if (entry.failed || (round > 0 && spent + entry.repeats * entry.times[0] > budgetMs)) continue;
      try {
        entry.times.push(await timeOf(entry.subject.run, entry.repeats));
      } catch (error) {
        entry.failed = error instanceof Error ? error.message : String(error);
      }
    }
  }
  return entries.map(({ subject, first, times, failed }) =>
    failed
      ? { subject: subject.name, first, median: Number.NaN, best: Number.NaN, runs: times.length, failed }
      : { subject: subject.name, first, median: median(times), best: Math.min(...times), runs: times.length },
  );
}

/** Standard normal-ish numbers from a small generator: the same in every run. */
export function numbers(count: number, seed: number, scale = 1): Float32Array {
  const values = new Float32Array(count);
  let state = (seed * 2654435761 + 1) >>> 0;
  const uniform = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  for (let i = 0; i < count; i++) values[i] = scale * (uniform() + uniform() + uniform() - 1.5) * 2;
  return values;
}
