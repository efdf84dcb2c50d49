import { execFileSync } from 'node:child_process';
import type { Context } from './context.ts';
import type { Result } from './results.ts';
import { jaxTrainer, ownTrainer, sizes } from './training.ts';

export type MemorySubject = 'linattn' | 'jax-js';

/** Steps after which memory has stopped growing. */
const steps = 4;

/**
 * What training steps add to the largest resident size of a process that does nothing else, in MiB. Vocabulary 4,096, as of the timed
 * step: jax-js cannot hold a larger one.
 */
export async function memoryOf(
  subject: MemorySubject,
  open: () => Promise<Context['backends'][number]>,
): Promise<number> {
  const resident = () => process.resourceUsage().maxRSS / 1024;
  const model = sizes(4096);
  const backend = subject === 'linattn' ? await open() : undefined;
  const before = resident();
  const step = backend ? ownTrainer(backend, model).step : jaxTrainer(model);
  for (let i = 0; i < steps; i++) await step();
  return resident() - before;
}

/** Each subject in a process of its own. */
export async function measureMemory({ threads, peers }: Context): Promise<Result[]> {
  const subjects: MemorySubject[] = peers.has('jax') ? ['linattn', 'jax-js'] : ['linattn'];
  const memory = subjects.map((subject) => {
    const words = [...process.execArgv, process.argv[1], '--child', '--threads', String(threads), '--memory', subject];
    const last = execFileSync(process.execPath, words, { encoding: 'utf8' }).trim().split('\n').at(-1);
    return { subject, mebibytes: Number(last) };
  });
  return [{ group: 'memory', work: 'training step, vocabulary 4096: memory', threads, timings: [], memory }];
}
