import { expect, test } from 'vitest';
import { createGpujsBackend } from '../src/index.ts';
import { start, trainingStep } from './training-step.ts';

// A test file has a process to itself: what grows here is ours. A step makes some 3 MB of results.
test('the process does not grow over 400 steps once it is warm', async () => {
  const backend = await createGpujsBackend({ mode: 'webasm' });
  const { parameters, moments } = start(backend, 512);
  const run = async (from: number, to: number) => {
    for (let step = from; step <= to; step++) {
      const loss = trainingStep(backend, parameters, moments, step);
      if (step % 50 === 0) await loss.read();
      loss.dispose();
    }
    return process.memoryUsage().rss / 2 ** 20;
  };
  const warm = await run(1, 100);
  const later = await run(101, 500);
  expect(later - warm, `${warm} MiB, then ${later} MiB`).toBeLessThan(32);
  await backend.dispose();
});
