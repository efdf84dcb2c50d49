import { failureOf, opCases, runCase } from '@linattn/math/conformance';
import { afterAll, describe, expect, test } from 'vitest';
import { open } from './adapter.ts';

// Kernels as GPUs get them: written out, with the tiles of GPUs. Software adapters take half a minute to compile one, so here are the cases
// that say most: whole and ragged tiles, rows of any width, several chunks, states in and out.

const cases = [
  'matmul: NN [] 65x257x33',
  'matmul: NT [] 65x257x33',
  'matmul: TN [] 65x257x33',
  'matmul: NT [] 256x511x130',
  'softmaxAttention: causal B1 N129 H2 D4/3',
  'linearAttention: causal B1 N63 H2 D4/3 order 1, raw',
  'linearAttention: causal B1 N66 H1 D128 order 1, l2, initial state, final state',
];

const backend = await open({ unroll: true });
if (typeof backend === 'string') console.warn(`Written-out kernels are not tested: ${backend}`);

describe.skipIf(typeof backend === 'string')('written-out kernels', () => {
  if (typeof backend === 'string') return;
  afterAll(() => backend.dispose());

  test.each(cases)('%s', { timeout: 300_000 }, async (name) => {
    const found = opCases.find((each) => each.name === name);
    const report = await runCase(backend, found!);
    expect(report.skipped).toBeUndefined();
    expect(failureOf(report)).toBeUndefined();
  });
});
