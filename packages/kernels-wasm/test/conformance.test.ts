import './ensure-wasm.ts';
import { failureOf, opCases, runCase } from '@linattn/math/conformance';
import { afterAll, describe, expect, test } from 'vitest';
import { createWasmBackend, hasRelaxedSimd } from '../src/index.ts';

// Both builds; the suite of all backends runs them the other way round: plain alone, relaxed with a worker.
describe.each([
  { simd: 'plain', threads: 2 },
  { simd: 'auto', threads: 1 },
] as const)('build $simd, $threads threads', async (options) => {
  const backend = await createWasmBackend(options);
  afterAll(() => backend.dispose());

  test('is the build and the number of threads asked for', async () => {
    expect(backend.build).toBe(options.simd === 'auto' && (await hasRelaxedSimd()) ? 'relaxed' : 'plain');
    expect(backend.threads).toBe(options.threads);
  });

  test.each([...new Set(opCases.map(({ op }) => op))])('%s', async (op) => {
    const failures = [];
    for (const opCase of opCases.filter((each) => each.op === op)) {
      const failure = failureOf(await runCase(backend, opCase));
      if (failure) failures.push(failure);
    }
    expect(failures).toEqual([]);
  });
});
