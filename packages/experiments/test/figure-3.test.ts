import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Trained } from '../src/figure-3/settings.ts';
import { runExperiment } from '../src/frame/run.ts';
import { findExperiment } from '../src/registry.ts';
import { silentHost, temporaryFolder } from './support.ts';

test('training stopped in the middle goes on as the same run', async () => {
  const [straight, halted] = [temporaryFolder(), temporaryFolder()];
  const run = (out: string, host = silentHost()) =>
    runExperiment(findExperiment('figure-3'), { scale: 'smoke', out, host, command: 'c' });
  const losses = (result: Awaited<ReturnType<typeof run>>) =>
    result.measurements.map(({ value }) => {
      const { training, validation } = value as Trained;
      return [...training, ...validation].map(({ step, loss }) => [step, loss]);
    });
  const expected = losses(await run(straight));
  expect(expected[0]).toHaveLength(8 + 2);
  // The first pause is the task's own; the sixth comes before step 4.
  await expect(run(halted, silentHost({ pauses: 5 }))).rejects.toThrow('stopped');
  const work = join(halted, 'figure-3', 'work', 'linear');
  expect(existsSync(join(work, 'checkpoint.json'))).toBe(true);
  expect(losses(await run(halted))).toEqual(expected);
  expect(existsSync(work)).toBe(false);
});
