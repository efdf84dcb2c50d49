// Measures the WebAssembly backend against what else computes on a CPU in JavaScript, and against the machine itself.
//   pnpm bench:cpu [--quick] [--threads 1,2] [--only matmul,attention,training,memory,decoding] [--peers jax,tfjs,gpujs,plain] [--out FILE]
// All of it is kept in results.json; a part of it only in the FILE that is asked for.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createWasmBackend } from '@linattn/kernels-wasm';
import type { Context } from './context.ts';
import { blasMeter, ceilingMeter, describeMachine } from './machine.ts';
import type { MemorySubject } from './memory.ts';
import { offerThreads } from './peers/worker-shim.ts';
import { describeRatios, describeResult, type Result, ratiosOf } from './results.ts';

const all = { threads: '1,2', only: 'matmul,attention,training,memory,decoding', peers: 'jax,tfjs,gpujs,plain' };
const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    threads: { type: 'string', default: all.threads },
    only: { type: 'string', default: all.only },
    peers: { type: 'string', default: all.peers },
    out: { type: 'string' },
    memory: { type: 'string' },
    child: { type: 'boolean', default: false },
  },
});

/** Loaded late: jax-js looks for threads when it is imported. */
const loadGroups = async () => ({
  matmul: (await import('./matmul.ts')).measureMatmul,
  attention: (await import('./attention.ts')).measureAttention,
  training: (await import('./training.ts')).measureTraining,
  memory: (await import('./memory.ts')).measureMemory,
  decoding: (await import('./decoding.ts')).measureDecoding,
});

/** All subjects of a group with one number of threads, in one process. */
async function measure(threads: number): Promise<Result[]> {
  offerThreads(threads);
  const peers = new Set(options.peers.split(','));
  if (peers.has('tfjs') && threads === 1) await (await import('./peers/tfjs.ts')).open();
  const relaxed = await createWasmBackend({ threads });
  const plain = relaxed.build === 'relaxed' ? [await createWasmBackend({ threads, simd: 'plain' })] : [];
  const context: Context = {
    threads,
    quick: options.quick,
    backends: [relaxed, ...plain],
    ceiling: ceilingMeter(threads),
    blas: blasMeter(),
    peers,
  };
  const results: Result[] = [];
  for (const [name, group] of Object.entries(await loadGroups())) {
    if (!options.only.split(',').includes(name)) continue;
    const found = await group(context);
    for (const result of found) console.log(describeResult(result));
    results.push(...found);
  }
  await Promise.all(context.backends.map((backend) => backend.dispose()));
  return results;
}

/**
 * Each group and number of threads has a process of its own: jax-js fixes its number of threads when it is first used, and once its
 * 4 GiB were full, later work in the same process fails too.
 */
function measureAll(): void {
  const started = Date.now();
  const folder = mkdtempSync(join(tmpdir(), 'bench-cpu-'));
  const parts = options.threads
    .split(',')
    .flatMap((threads) => options.only.split(',').map((group) => [threads, group] as const));
  const results = parts.flatMap(([threads, group]) => {
    const file = join(folder, `${group}-${threads}.json`);
    const own = ['--child', '--threads', threads, '--only', group, '--peers', options.peers, '--out', file];
    const words = [...process.execArgv, import.meta.filename, ...own, ...(options.quick ? ['--quick'] : [])];
    execFileSync(process.execPath, words, { stdio: 'inherit' });
    return JSON.parse(readFileSync(file, 'utf8')) as Result[];
  });
  const ratios = ratiosOf(results);
  rmSync(folder, { recursive: true });
  const machine = describeMachine();
  const minutes = (Date.now() - started) / 60_000;
  const { quick, threads, only, peers } = options;
  const whole = !quick && threads === all.threads && only === all.only && peers === all.peers;
  const out = options.out ?? (whole ? join(import.meta.dirname, 'results.json') : undefined);
  if (out) writeFileSync(out, `${JSON.stringify({ machine, quick, minutes, results, ratios }, null, 1)}\n`);
  console.log(
    `\n${machine.processor}, ${machine.processors} processors, Node ${machine.node}; ${minutes.toFixed(1)} minutes`,
  );
  console.log(`Times of others over ours, and shares of the machine's ceiling; worst last:\n${describeRatios(ratios)}`);
}

if (options.memory) {
  const threads = Number(options.threads);
  offerThreads(threads);
  const { memoryOf } = await import('./memory.ts');
  console.log(await memoryOf(options.memory as MemorySubject, () => createWasmBackend({ threads })));
  process.exit(0);
} else if (options.child) {
  writeFileSync(options.out!, JSON.stringify(await measure(Number(options.threads))));
  process.exit(0);
} else measureAll();
