import { failureOf, opCases, runCase } from '@linattn/math/conformance';
import { float64Backend } from '@linattn/math/float64';
import { afterAll, describe, expect, test } from 'vitest';
import { open } from './adapter.ts';
import { testSlabs } from './slabs.ts';

const only = process.env.LINATTN_CASE ?? '';
const backend = await open();
const missing = typeof backend === 'string' ? backend : undefined;
if (missing) console.warn(`WebGPU conformance in Node is skipped: ${missing}`);

describe.skipIf(missing !== undefined)('conformance', () => {
  afterAll(async () => {
    if (typeof backend !== 'string') await backend.dispose();
  });
  const cases = opCases.filter(({ name }) => name.includes(only));
  test.for(cases.map((opCase) => [opCase.name, opCase] as const))('%s', async ([, opCase]) => {
    if (typeof backend === 'string') return;
    const report = await runCase(backend, opCase, float64Backend());
    expect(failureOf(report)).toBeUndefined();
  });
  if (typeof backend !== 'string') testSlabs(backend);
});
