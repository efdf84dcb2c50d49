import { describe, expect, it } from 'vitest';
import { failureOf, opCases, runCase } from '../src/conformance/index.ts';
import { float64Backend } from '../src/index.ts';
import { roundingBackend } from './helpers/float32-backend.ts';

const named = opCases.map((opCase) => [opCase.name, opCase] as const);

describe('float64 backend', () => {
  const backend = float64Backend();
  const reference = float64Backend();
  it.each(named)('%s', async (_, opCase) => {
    expect(failureOf(await runCase(backend, opCase, reference))).toBeUndefined();
  });
});

describe('float32 rounding of every step stays within the float32 tolerance', () => {
  const backend = roundingBackend();
  const reference = float64Backend();
  it.each(named)('%s', async (_, opCase) => {
    expect(failureOf(await runCase(backend, opCase, reference))).toBeUndefined();
  });
});
