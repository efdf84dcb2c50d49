import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { arch, cpus, platform } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { webgpuBackend } from '@linattn/kernels-webgpu';
import { matrixUnits } from '@linattn/kernels-webgpu/matrix';
import { failureOf, runConformance } from '@linattn/math/conformance';
import type { TokenArray } from '@linattn/nn';
import { openDawn } from 'bench-gpu/device.ts';
import { checks, largeChecks } from '../../packages/kernels-webgpu/test/checks.ts';
import { type Measured, measure } from './measure.ts';
import { type Attention, shapes } from './model.ts';
import { benchSoftmax } from './softmax.ts';
import { kernelTable, trainingTable } from './table.ts';

const help = `train-gpu: a model of Pythia-14M's shape, trained on a GPU through WebGPU in Node
  --tokens FILE     token ids, uint16 (uint32 where the name ends in .u32); see tokens.ts
  --out DIR         where training.json and training.md go (default: .)
  --dawn PATH       dawn.node (default: beside this file)
  --dawnFlags LIST  flags for Dawn
  --do LIST         of: conformance, softmax, train (default: train)
  --cases TEXT      conformance cases whose name holds one of these, comma between (default: all)
  --shape NAME      of the model: pythia-14m (default), tiny (for a software adapter; ids below 64)
  --attention LIST  default linear,softmax
  --matrix NAME     what runs on matrix units: none (default), split or half precision
  --dropout RATE    of the paper's noise, falling to 0; default 0: none
  --lengths LIST    tokens a row; default 4096,1024,16384
  --step TOKENS     tokens a step (default 32768)
  --steps N         of the first length (default 60); the others take 20
  --every N         prints the loss every N steps (default 20)
  --widths LIST     head widths that softmax is timed at (default 64)
  --softmax LIST    tokens that softmax is timed at (default 1024,4096,16384)
`;

const { values } = parseArgs({
  options: {
    tokens: { type: 'string', default: '' },
    out: { type: 'string', default: '.' },
    dawn: { type: 'string', default: join(import.meta.dirname, 'dawn.node') },
    dawnFlags: { type: 'string', default: '' },
    do: { type: 'string', default: 'train' },
    cases: { type: 'string', default: '' },
    shape: { type: 'string', default: 'pythia-14m' },
    attention: { type: 'string', default: 'linear,softmax' },
    matrix: { type: 'string', default: 'none' },
    dropout: { type: 'string', default: '0' },
    lengths: { type: 'string', default: '4096,1024,16384' },
    step: { type: 'string', default: '32768' },
    steps: { type: 'string', default: '60' },
    every: { type: 'string', default: '20' },
    widths: { type: 'string', default: '64' },
    softmax: { type: 'string', default: '1024,4096,16384' },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  console.log(help);
  process.exit(0);
}
const shape = values.shape as keyof typeof shapes;
if (!(shape in shapes)) throw new RangeError(`--shape ${shape}: one of ${Object.keys(shapes).join(', ')}`);
const numbers = (list: string) => list.split(',').map(Number);
const wanted = new Set(values.do.split(','));
mkdirSync(values.out, { recursive: true });

function readTokens(path: string): TokenArray {
  const { buffer, byteOffset, byteLength } = readFileSync(path);
  const bytes = buffer.slice(byteOffset, byteOffset + byteLength);
  return path.endsWith('.u32') ? new Uint32Array(bytes) : new Uint16Array(bytes);
}

const { matrix } = values;
if (matrix !== 'none' && matrix !== 'split' && matrix !== 'half')
  throw new RangeError(`--matrix ${matrix}: one of none, split, half`);
const flags = values.dawnFlags.split(' ').filter(Boolean);
const device = await openDawn(resolve(values.dawn), flags, matrix !== 'none');
device.onuncapturederror = ({ error }) => console.log(error.message);
const backend = await webgpuBackend({ device, matrixUnits: matrix === 'none' ? undefined : matrixUnits(matrix) });
const results: Record<string, unknown> = {
  device: backend.description,
  matrixUnits: matrix,
  host: `${platform()} ${arch()}, ${cpus()[0]?.model}, Node ${process.version}`,
  date: new Date().toISOString(),
};
const save = () => writeFileSync(join(values.out, 'training.json'), `${JSON.stringify(results, undefined, 1)}\n`);
const run = async (name: string, body: () => Promise<void>) => {
  if (!wanted.has(name)) return;
  const start = performance.now();
  await body().catch((error: unknown) => {
    console.log(`${name}: ${error instanceof Error ? error.stack : String(error)}`);
    process.exitCode = 1;
  });
  save();
  console.log(`-- ${name}: ${((performance.now() - start) / 1000).toFixed(0)} s`);
};
console.log(results.device);

await run('conformance', async () => {
  const parts = values.cases.split(',');
  const reports = await runConformance(backend, { filter: ({ name }) => parts.some((part) => name.includes(part)) });
  const failed = reports.filter(({ passed }) => !passed);
  results.conformance = { cases: reports.length, failed: failed.length };
  for (const report of failed.slice(0, 30)) console.log(failureOf(report)?.slice(0, 300));
  console.log(`conformance: ${reports.length} cases, ${failed.length} failed`);
  for (const [name, check] of Object.entries({ ...checks, ...largeChecks })) {
    const error = await check(backend);
    console.log(`${error < 1e-5 ? 'ok' : 'FAILED'} ${name}: ${error.toExponential(1)}`);
    if (!(error < 1e-5)) process.exitCode = 1;
  }
});

await run('softmax', async () => {
  results.softmax = await benchSoftmax(backend, numbers(values.widths), numbers(values.softmax));
});

await run('train', async () => {
  const tokens = readTokens(values.tokens);
  const found: Measured[] = [];
  results.tokens = tokens.length;
  results.training = found;
  for (const [i, seqLen] of numbers(values.lengths).entries()) {
    const steps = i === 0 ? Number(values.steps) : 20;
    const batch = Math.max(1, Math.round(Number(values.step) / seqLen));
    for (const attention of values.attention.split(',') as Attention[]) {
      const setting = { shape, attention, seqLen, batch, steps, dropout: Number(values.dropout) };
      found.push(await measure(backend, tokens, setting, steps, Number(values.every)));
      save();
      if (i === 0) console.log(kernelTable(found.at(-1)!));
    }
  }
  const table = trainingTable(found);
  console.log(table);
  writeFileSync(join(values.out, 'training.md'), `${table}\n`);
});

await backend.dispose();
process.exit();
