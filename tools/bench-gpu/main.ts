import { mkdirSync, writeFileSync } from 'node:fs';
import { arch, cpus, platform } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { webgpuBackend } from '@linattn/kernels-webgpu';
import { failureOf, runConformance } from '@linattn/math/conformance';
import { benchAttention, type Result, type Setting } from './attention.ts';
import { measureCeilings } from './ceilings.ts';
import { openDawn } from './device.ts';
import { benchMatmul } from './matmul.ts';
import { measureMatrixUnits } from './matrix-units.ts';
import { measureOccupancy } from './occupancy.ts';
import { attentionTable, withRates } from './table.ts';
import { tryVariants } from './variants.ts';

const help = `bench-gpu: linear attention on a GPU, through WebGPU in Node
  --dawn PATH   dawn.node (default: beside this file)
  --out DIR     where results.json, table.md and conformance.log go (default: .)
  --do LIST     of: ceilings, conformance, occupancy, matrix-units, variants, sweep, matmul (default: ceilings,sweep,matmul)
  --dawnFlags LIST flags for Dawn, e.g. enable-dawn-features=disable_robustness
  --variants FILE what to try with --do variants: see variants.ts
  --matrix      opens the device with its matrix units
  --widths LIST default 32,64,128
  --tokens LIST default 1024,4096,16384,65536
`;

const { values } = parseArgs({
  options: {
    dawn: { type: 'string', default: join(import.meta.dirname, 'dawn.node') },
    out: { type: 'string', default: '.' },
    do: { type: 'string', default: 'ceilings,sweep,matmul' },
    dawnFlags: { type: 'string', default: '' },
    variants: { type: 'string', default: 'variants.json' },
    matrix: { type: 'boolean', default: false },
    widths: { type: 'string', default: '32,64,128' },
    tokens: { type: 'string', default: '1024,4096,16384,65536' },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  console.log(help);
  process.exit(0);
}
const wanted = new Set(values.do.split(','));
mkdirSync(values.out, { recursive: true });

const device = await openDawn(resolve(values.dawn), values.dawnFlags.split(' ').filter(Boolean), values.matrix);
device.onuncapturederror = ({ error }) => console.log(error.message);
const backend = await webgpuBackend({ device });
const results: Record<string, unknown> = {
  device: backend.description,
  host: `${platform()} ${arch()}, ${cpus()[0]?.model}, Node ${process.version}`,
  date: new Date().toISOString(),
};
const save = () => writeFileSync(join(values.out, 'results.json'), `${JSON.stringify(results, undefined, 1)}\n`);
const run = async (name: string, body: () => Promise<void>) => {
  if (!wanted.has(name)) return;
  const start = performance.now();
  await body().catch((error: unknown) => {
    console.log(`${name}: ${error instanceof Error ? error.stack : String(error)}`);
  });
  save();
  console.log(`-- ${name}: ${((performance.now() - start) / 1000).toFixed(0)} s`);
};

console.log(results.device);
const ceilings = wanted.has('ceilings')
  ? await measureCeilings(device)
  : { copyGBs: Number.NaN, fmaTFLOPs: Number.NaN };
results.ceilings = ceilings;
console.log(`copy ${ceilings.copyGBs.toFixed(0)} GB/s, FMA ${ceilings.fmaTFLOPs.toFixed(1)} TFLOP/s`);

await run('conformance', async () => {
  const lines: string[] = [];
  const reports = await runConformance(backend, {
    onReport: (report) =>
      lines.push(failureOf(report) ?? `ok ${report.name}${report.skipped ? ` (skipped: ${report.skipped})` : ''}`),
  });
  writeFileSync(join(values.out, 'conformance.log'), `${lines.join('\n')}\n`);
  const failed = reports.filter(({ passed }) => !passed);
  results.conformance = { cases: reports.length, failed: failed.length };
  for (const report of failed.slice(0, 20)) console.log(failureOf(report)?.slice(0, 300));
  console.log(`conformance: ${reports.length} cases, ${failed.length} failed`);
});

await run('variants', async () => {
  results.variants = await tryVariants(backend, values.variants);
});

await run('occupancy', async () => {
  results.occupancy = await measureOccupancy(device);
});

await run('matrix-units', async () => {
  results.matrixUnits = await measureMatrixUnits(device);
});

await run('sweep', async () => {
  const tokens = values.tokens.split(',').map(Number);
  const groups: Omit<Setting, 'tokens'>[] = [
    { batch: 4, heads: 16, width: 64 },
    { batch: 4, heads: 16, width: 64, normalize: true },
    { batch: 4, heads: 16, width: 32 },
    { batch: 4, heads: 16, width: 128 },
    { batch: 32, heads: 16, width: 32 },
    { batch: 1, heads: 16, width: 64 },
    { batch: 1, heads: 16, width: 128 },
  ];
  const found: Result[] = [];
  results.attention = found;
  const widths = values.widths.split(',').map(Number);
  for (const group of groups.filter(({ width }) => widths.includes(width))) {
    for (const n of tokens) {
      const elements = group.batch * group.heads * n * group.width;
      if (elements > backend.limits.maxElements) continue;
      try {
        const result = await benchAttention(backend, { ...group, tokens: n }, true, 250);
        found.push(withRates(result, ceilings));
      } catch (error) {
        console.log(`B${group.batch} H${group.heads} D${group.width} N${n}: ${String(error)}`);
      }
      save();
    }
  }
  const table = attentionTable(found);
  console.log(table);
  writeFileSync(join(values.out, 'table.md'), `${table}\n`);
});

await run('matmul', async () => {
  results.matmul = await benchMatmul(backend);
});

await backend.dispose();
process.exit(0);
