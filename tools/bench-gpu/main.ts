import { mkdirSync, writeFileSync } from 'node:fs';
import { arch, cpus, platform } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { type WebgpuBackend, webgpuBackend } from '@linattn/kernels-webgpu';
import { matrixUnits } from '@linattn/kernels-webgpu/matrix';
import { failureOf, runConformance } from '@linattn/math/conformance';
import { benchAttention, type Result, type Setting } from './attention.ts';
import { measureCeilings } from './ceilings.ts';
import { openDawn } from './device.ts';
import { benchFloat16 } from './float16.ts';
import { benchMatmul } from './matmul.ts';
import { measureMatrixProducts } from './matrix-products.ts';
import { measureMatrixUnits } from './matrix-units.ts';
import { measureOccupancy } from './occupancy.ts';
import { measureProducts } from './products.ts';
import { benchSecondOrder } from './second-order.ts';
import { attentionTable, withRates } from './table.ts';
import { tryVariants } from './variants.ts';

const help = `bench-gpu: linear attention on a GPU, through WebGPU in Node
  --dawn PATH   dawn.node (default: beside this file)
  --out DIR     where results.json, table.md and conformance.log go (default: .)
  --do LIST     of: ceilings, conformance, occupancy, products, matrix-units, matrix-products, variants, sweep, second-order, matmul, float16 (default: ceilings,sweep,matmul)
  --dawnFlags LIST flags for Dawn, e.g. enable-dawn-features=disable_robustness
  --variants FILE what to try with --do variants: see variants.ts
  --matrix LIST what runs on matrix units, each in turn, of: none, split, half (default: none)
  --wholeVectors attention in plain float32 as Metal needs it (default: as this system needs it)
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
    matrix: { type: 'string', default: 'none' },
    wholeVectors: { type: 'boolean' },
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

const precisions = values.matrix.split(',').map((name) => {
  if (name !== 'none' && name !== 'split' && name !== 'half')
    throw new Error(`--matrix: ${name} is none of none, split, half`);
  return name;
});
const withMatrix =
  precisions.some((name) => name !== 'none') || wanted.has('matrix-units') || wanted.has('matrix-products');
const device = await openDawn(resolve(values.dawn), values.dawnFlags.split(' ').filter(Boolean), withMatrix);
device.onuncapturederror = ({ error }) => console.log(error.message);
const backend = await webgpuBackend({ device, wholeVectors: values.wholeVectors });
const results: Record<string, unknown> = {
  device: backend.description,
  host: `${platform()} ${arch()}, ${cpus()[0]?.model}, Node ${process.version}`,
  date: new Date().toISOString(),
};
const save = () => writeFileSync(join(values.out, 'results.json'), `${JSON.stringify(results, undefined, 1)}\n`);
const run = async (name: string, precision: string, body: () => Promise<void>) => {
  if (!wanted.has(name)) return;
  const start = performance.now();
  await body().catch((error: unknown) => {
    console.log(`${name}: ${error instanceof Error ? error.stack : String(error)}`);
  });
  save();
  console.log(`-- ${name} ${precision}: ${((performance.now() - start) / 1000).toFixed(0)} s`);
};

const { maxBufferSize, maxStorageBufferBindingSize } = device.limits;
results.limits = { maxBufferSize, maxStorageBufferBindingSize };
console.log(results.device, results.limits);
const ceilings = wanted.has('ceilings')
  ? await measureCeilings(device)
  : { copyGBs: Number.NaN, fmaTFLOPs: Number.NaN };
results.ceilings = ceilings;
console.log(`copy ${ceilings.copyGBs.toFixed(0)} GB/s, FMA ${ceilings.fmaTFLOPs.toFixed(1)} TFLOP/s`);

await run('occupancy', '', async () => {
  results.occupancy = await measureOccupancy(device);
});

await run('products', '', async () => {
  results.products = await measureProducts(device);
});

await run('matrix-units', '', async () => {
  results.matrixUnits = await measureMatrixUnits(device);
});

await run('matrix-products', '', async () => {
  results.matrixProducts = await measureMatrixProducts(device);
});

for (const precision of precisions) {
  console.log(`== on matrix units: ${precision}`);
  if (precision === 'none') {
    await measure(backend, precision, results);
    continue;
  }
  const into: Record<string, unknown> = {};
  results[precision] = into;
  const on = await webgpuBackend({ device, matrixUnits: matrixUnits(precision) });
  await measure(on, precision, into);
  await on.dispose();
}

await backend.dispose();
process.exit(0);

/** What is asked for, on one backend. Results of matrix units go under their precision. */
async function measure(on: WebgpuBackend, precision: string, into: Record<string, unknown>): Promise<void> {
  const suffix = precision === 'none' ? '' : `-${precision}`;
  await run('conformance', precision, async () => {
    const lines: string[] = [];
    const reports = await runConformance(on, {
      onReport: (report) =>
        lines.push(failureOf(report) ?? `ok ${report.name}${report.skipped ? ` (skipped: ${report.skipped})` : ''}`),
    });
    writeFileSync(join(values.out, `conformance${suffix}.log`), `${lines.join('\n')}\n`);
    const failed = reports.filter(({ passed }) => !passed);
    into.conformance = { cases: reports.length, failed: failed.length };
    for (const report of failed.slice(0, 20)) console.log(failureOf(report)?.slice(0, 300));
    console.log(`conformance: ${reports.length} cases, ${failed.length} failed`);
  });

  await run('matmul', precision, async () => {
    into.matmul = await benchMatmul(on);
  });

  await run('float16', precision, async () => {
    into.float16 = await benchFloat16(on, ceilings);
  });

  await run('second-order', precision, async () => {
    into.secondOrder = await benchSecondOrder(on);
  });

  await run('variants', precision, async () => {
    into.variants = await tryVariants(on, values.variants);
  });

  await run('sweep', precision, async () => {
    const tokens = values.tokens.split(',').map(Number);
    const groups: Omit<Setting, 'tokens'>[] = [
      { batch: 4, heads: 16, width: 64 },
      { batch: 4, heads: 16, width: 64, normalize: true },
      { batch: 4, heads: 16, width: 32 },
      { batch: 4, heads: 16, width: 128 },
      { batch: 2, heads: 16, width: 128 },
      { batch: 32, heads: 16, width: 32 },
      { batch: 1, heads: 16, width: 64 },
      { batch: 1, heads: 16, width: 128 },
    ];
    const found: Result[] = [];
    into.attention = found;
    const widths = values.widths.split(',').map(Number);
    for (const group of groups.filter(({ width }) => widths.includes(width))) {
      for (const n of tokens) {
        const elements = group.batch * group.heads * n * group.width;
        if (elements > on.limits.maxElements) continue;
        try {
          const result = await benchAttention(on, { ...group, tokens: n }, true, 250);
          found.push(withRates(result, ceilings));
        } catch (error) {
          console.log(`B${group.batch} H${group.heads} D${group.width} N${n}: ${String(error)}`);
        }
        save();
      }
    }
    const table = attentionTable(found);
    console.log(table);
    writeFileSync(join(values.out, `table${suffix}.md`), `${table}\n`);
  });
}
