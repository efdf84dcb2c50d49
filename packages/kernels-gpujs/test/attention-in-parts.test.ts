import { failureOf, opCases, runCase } from '@linattn/math/conformance';
import { expect, test } from 'vitest';
import { backendOn } from '../src/backend.ts';
import { HostDevice } from '../src/devices/host.ts';
import { loadGpujs } from '../src/gpujs.ts';
import type { ArrayLimits } from '../src/kernels/attention/plan.ts';

const cases = opCases.filter(
  ({ op, size, name }) => op === 'linearAttention' && size === 'small' && / B2 .*(state|weights)/.test(name),
);

async function failuresWithin(limits: ArrayLimits): Promise<string[]> {
  const options = { mode: 'webasm', maxKernels: 512, maxPooledBytes: 2 ** 30, privateHooks: true } as const;
  const backend = backendOn(new HostDevice(await loadGpujs(), options), limits);
  const failures: string[] = [];
  for (const opCase of cases) {
    const report = await runCase(backend, opCase);
    const failure = failureOf(report) ?? (report.skipped && `${opCase.name}: ${report.skipped}`);
    if (failure) failures.push(failure);
  }
  await backend.dispose();
  return failures;
}

test('there are cases of all masks, orders and states', () => {
  expect(cases.length).toBeGreaterThan(30);
});

test('tokens cut into pieces of one chunk: states are handed on, and back', async () => {
  expect(await failuresWithin({ largest: 2 ** 24, piece: { 1: 1, 2: 1 } })).toEqual([]);
});

test('heads cut into parts, down to one at a time', async () => {
  // What one chunk of one head needs in the largest of these cases: 32 tokens of 44 features.
  expect(await failuresWithin({ largest: 32 * 44, piece: { 1: 2 ** 24, 2: 2 ** 22 } })).toEqual([]);
  expect(await failuresWithin({ largest: 2500, piece: { 1: 4000, 2: 4000 } })).toEqual([]);
});

test('a chunk of one head over the limit is refused by name', async () => {
  const failures = await failuresWithin({ largest: 8, piece: { 1: 1, 2: 1 } });
  expect(failures.length).toBe(cases.length);
  expect(failures.every((failure) => failure.includes('headDim: '))).toBe(true);
});
