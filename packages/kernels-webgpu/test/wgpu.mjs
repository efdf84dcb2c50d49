// The conformance kit on wgpu in Deno: its WGSL compiler, naga, is Firefox's, and not Tint, which every other test runs on.
// From the repository's root: pnpm run conformance:wgpu [--unroll] [words in the names of the cases]

import { failureOf, opCases, runCase } from '@linattn/math/conformance';
// Built: Deno does not import WGSL as text.
import { webgpuBackend } from '../dist/index.js';

const options = process.argv.slice(2);
const words = options.filter((option) => !option.startsWith('--'));
const backend = await webgpuBackend(options.includes('--unroll') ? { unroll: true } : {});
const cases = opCases.filter(({ name }) => words.every((word) => name.includes(word)));
console.log(`wgpu, ${backend.description}: ${cases.length} cases`);

const counts = { passed: 0, failed: 0, skipped: 0 };
const started = performance.now();
for (const opCase of cases) {
  const report = await runCase(backend, opCase);
  const failure = failureOf(report);
  counts[failure ? 'failed' : report.skipped ? 'skipped' : 'passed']++;
  if (failure) console.log(`${opCase.name}: ${failure}`);
}
const seconds = ((performance.now() - started) / 1000).toFixed(0);
console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped, in ${seconds} s`);
await backend.dispose();
process.exit(counts.failed > 0 || counts.passed === 0 ? 1 : 0);
