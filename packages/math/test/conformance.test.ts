import { describe, expect, it } from 'vitest';
import { failureOf, opCases, runCase } from '../src/conformance/index.ts';
import { float64Backend } from '../src/index.ts';

describe('float64 backend', () => {
  const backend = float64Backend();
  const reference = float64Backend();
  it.each(opCases.map((opCase) => [opCase.name, opCase] as const))('%s', async (_, opCase) => {
    expect(failureOf(await runCase(backend, opCase, reference))).toBeUndefined();
  });
});
