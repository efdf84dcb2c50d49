import { median, type Subject, type Timing } from './measure.ts';

/** Milliseconds of processor time that `run` took, of all threads of this process. */
async function processorTime(run: Subject['run']): Promise<number> {
  const start = process.cpuUsage();
  await run();
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1000;
}

/**
 * As `interleave`, by processor time: for subjects of one thread it hardly depends on what else the machine does. The first run
 * of each, with whatever it compiles, stands apart. After it a subject gets `rounds` turns, but no more than fit in `budgetMs` (one
 * at least).
 */
export async function interleaveByProcessorTime(
  subjects: readonly Subject[],
  { rounds, budgetMs }: { readonly rounds: number; readonly budgetMs: number },
): Promise<Timing[]> {
  const entries = subjects.map((subject) => ({ subject, first: 0, times: [] as number[] }));
  for (const entry of entries) entry.first = await processorTime(entry.subject.run);
  for (let round = 0; round < rounds; round++) {
    for (const { subject, times } of entries) {
      const spent = times.reduce((sum, time) => sum + time, 0);
      if (round === 0 || spent + times[0] <= budgetMs) times.push(await processorTime(subject.run));
    }
  }
  return entries.map(({ subject, first, times }) => {
    return { subject: subject.name, first, median: median(times), best: Math.min(...times), runs: times.length };
  });
}
