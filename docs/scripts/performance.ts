import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { table as jaxTable } from '../../packages/jax/benchmarks/table.ts';
import { table as tfjsTable } from '../../packages/tfjs/benchmarks/table.ts';
import type { Result } from '../../tools/bench-cpu/results.ts';
import { root } from './repository.ts';

// The tables of the performance page, from what the benchmarks wrote: no number is typed.

interface Machine {
  readonly processor: string;
  readonly processors: number;
  readonly memoryGiB: number;
  readonly node: string;
}

const read = <T>(path: string): T => JSON.parse(readFileSync(join(root, path), 'utf8')) as T;

const digits = (x: number): string =>
  x >= 1000 ? Math.round(x).toLocaleString('en') : x >= 100 ? x.toFixed(0) : x >= 10 ? x.toFixed(1) : x.toPrecision(2);
const thousands = (x: number): string => x.toLocaleString('en', { maximumFractionDigits: 0 });

const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map((_, i) => (i === 0 ? '---' : '---:')), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');

/** Where numbers come from, above every table. */
const source = (command: string, machine: string, file: string): string =>
  `\`${command}\` · ${machine} · \`${file}\`\n`;

const words = ({ processor, processors, memoryGiB, node }: Machine): string =>
  `${processor}, ${processors} processors, ${memoryGiB} GiB, Node ${node}`;

const titles: Readonly<Record<Result['group'], string>> = {
  attention: 'Attention',
  training: 'A training step',
  decoding: 'Decoding',
  memory: 'Memory',
  matmul: 'Matrix products',
};

/** One group of the CPU's results: a row for a piece of work, a column for a subject. */
function cpuTable(results: readonly Result[]): string {
  const unique = (names: readonly string[]) => [...new Set(names)];
  const subjects = unique(
    results.flatMap(({ timings, memory = [] }) => [...timings, ...memory].map(({ subject }) => subject)),
  );
  const rates = unique(results.flatMap(({ beside }) => Object.keys(beside ?? {})));
  const rows = results.map(({ work, threads, timings, flop, tokens, beside, memory = [] }) => {
    const cells = subjects.map((subject) => {
      const timing = timings.find((each) => each.subject === subject);
      const used = memory.find((each) => each.subject === subject);
      const mebibytes = used ? `${digits(used.mebibytes)} MiB` : '';
      if (!timing) return mebibytes || '–';
      if (timing.failed) return 'fails';
      const rate = flop
        ? `, ${digits(flop / timing.median / 1e6)} GFLOP/s`
        : tokens
          ? `, ${digits((1e3 * tokens) / timing.median)} tokens/s`
          : '';
      return `${digits(timing.median)} ms${rate}${mebibytes && `, ${mebibytes}`}`;
    });
    return [work, String(threads), ...cells, ...rates.map((name) => (beside?.[name] ? digits(beside[name]) : '–'))];
  });
  return table(['work', 'threads', ...subjects, ...rates.map((name) => `${name}, GFLOP/s`)], rows);
}

function cpu(): string {
  const file = 'tools/bench-cpu/results.json';
  const { machine, quick, results } = read<{ machine: Machine; quick: boolean; results: Result[] }>(file);
  const groups = Object.entries(titles).flatMap(([group, title]) => {
    const own = results.filter((result) => result.group === group);
    return own.length > 0 ? [`### ${title}\n\n${cpuTable(own)}\n`] : [];
  });
  const run = quick ? 'A quick run: a part of the work, few repetitions.' : 'Medians.';
  return [source(`pnpm bench:cpu${quick ? ' --quick' : ''}`, words(machine), file), `${run}\n`, ...groups].join('\n');
}

function adapter(name: 'tfjs' | 'jax', render: (results: never) => string): string {
  const file = `packages/${name}/benchmarks/node.json`;
  const { machine, results, heads, width, chunk, ...rest } = read<Record<string, never> & { machine: Machine }>(file);
  return [
    source(`pnpm --filter @linattn/${name} bench`, `${words(machine)}, ${name} ${rest[name]}`, file),
    `f(x) = 1 + x, causal, ${heads} heads of ${width}, float32, one thread each; the other columns are how many times longer the`,
    `framework's own operations take, in chunks of ${chunk} tokens and with all N² weights.\n`,
    render(results),
    '',
  ].join('\n');
}

interface Passes {
  readonly tokens: number;
  readonly width: number;
  readonly batch: number;
  readonly heads: number;
  readonly normalize?: boolean;
  readonly forward: { readonly median: number };
  readonly backward: { readonly median: number };
  readonly forwardPeakMiB: number;
  readonly trainPeakMiB: number;
  readonly errors?: Readonly<Record<string, number>>;
}

/** flash-linear-attention's times; `both` is forward and backward. */
interface Fla {
  readonly torch: string;
  readonly triton: string;
  readonly results: readonly {
    readonly batch: number;
    readonly heads: number;
    readonly width: number;
    readonly tokens: number;
    readonly dtype: string;
    readonly normalized: boolean;
    readonly error?: number;
    readonly forward?: number;
    readonly both?: number;
  }[];
}

interface Gpu {
  readonly device: string;
  readonly host: string;
  readonly date: string;
  readonly note: string;
  readonly ceilings: { readonly copyGBs: number; readonly fmaTFLOPs: number };
  readonly attention: readonly Passes[];
  readonly matmul: readonly {
    readonly m: number;
    readonly n: number;
    readonly k: number;
    readonly transposeA: boolean;
    readonly transposeB: boolean;
    readonly milliseconds: number;
    readonly TFLOPs: number;
  }[];
}

function gpu(): string {
  const file = 'packages/kernels-webgpu/benchmarks/h200.json';
  const { device, host, date, note, ceilings, attention, matmul } = read<Gpu>(file);
  const flaFile = 'packages/kernels-webgpu/benchmarks/h200-fla.json';
  const { torch, triton, results } = read<Fla>(flaFile);
  const fla = results.filter(({ normalized, dtype }) => normalized && dtype === 'float32');
  const flaError = Math.max(...fla.map(({ error = 0 }) => error)).toExponential(1);
  const sizes = ({ batch, heads, width, tokens }: Omit<Fla['results'][number], 'dtype' | 'normalized'>) =>
    [batch, heads, width, tokens].join();
  const rows = [...attention]
    .sort((a, b) => a.width - b.width || a.tokens - b.tokens || a.batch - b.batch)
    .map((each) => {
      const { tokens, width, batch, heads, normalize, forward, backward, errors, ...peak } = each;
      const same = normalize ? undefined : fla.find((other) => sizes(other) === sizes({ batch, heads, width, tokens }));
      const { forward: flaForward, both } = same ?? {};
      return [
        `B ${batch}, H ${heads}, D ${width}${normalize ? ', l2' : ''}`,
        thousands(tokens),
        digits(forward.median),
        digits(forward.median + backward.median),
        flaForward ? digits(flaForward) : '–',
        both ? digits(both) : '–',
        digits(peak.forwardPeakMiB),
        digits(peak.trainPeakMiB),
        errors ? Math.max(...Object.values(errors)).toExponential(1) : '–',
      ];
    });
  const columns = ['sizes', 'tokens', 'forward, ms', 'both, ms', 'fla forward', 'fla both'];
  const peaks = ['peak forward, MiB', 'peak training, MiB', 'largest error'];
  const products = matmul.map(({ m, n, k, transposeA, transposeB, milliseconds, TFLOPs }) => [
    `${m} × ${n} × ${k} ${transposeA ? 'T' : 'N'}${transposeB ? 'T' : 'N'}`,
    digits(milliseconds),
    digits(TFLOPs),
  ]);
  return [
    source(
      'node bench.js (tools/bench-gpu, made by tools/gpu-bundle)',
      `${device}, ${host}, ${date.slice(0, 10)}`,
      file,
    ),
    `${note}\n`,
    `fla: flash-linear-attention with its denominator (Triton ${triton}, PyTorch ${torch}, TF32, error ${flaError}), \`${flaFile}\`.\n`,
    `The device copies ${digits(ceilings.copyGBs)} GB/s and does ${digits(ceilings.fmaTFLOPs)} TFLOP/s of fused multiply-adds.\n`,
    table([...columns, ...peaks], rows),
    '\n### Matrix products\n',
    table(['sizes', 'ms', 'TFLOP/s'], products),
    '',
  ].join('\n');
}

interface Steps {
  readonly attention: string;
  readonly seqLen: number;
  readonly batch: number;
  readonly stepMilliseconds: number;
  readonly deviceMilliseconds: number;
  readonly tokensPerSecond: number;
  readonly attentionShare: number;
  readonly poolBytes: number;
}

function gpuTraining(): string {
  const file = 'packages/kernels-webgpu/benchmarks/h200-training.json';
  const { device, date, about, training } = read<{
    device: string;
    date: string;
    about: string;
    /** By what ran on matrix units. */
    training: Readonly<Record<string, Steps[]>>;
  }>(file);
  const runs = Object.entries(training).flatMap(([units, steps]) => steps.map((each) => ({ ...each, units })));
  const rows = runs.map((each) => [
    each.attention,
    each.units,
    `${each.batch} × ${thousands(each.seqLen)}`,
    thousands(each.tokensPerSecond),
    digits(each.stepMilliseconds),
    digits(each.deviceMilliseconds),
    `${digits(100 * each.attentionShare)}%`,
    thousands(each.poolBytes / 2 ** 20),
  ]);
  const columns = [
    'attention',
    'matrix units',
    'rows × tokens',
    'tokens/s',
    'step, ms',
    'on the device, ms',
    'attention',
    'buffers, MiB',
  ];
  return [
    source('sh train.sh (tools/train-gpu)', `${device}, ${date.slice(0, 10)}`, file),
    `${about}\n`,
    table(columns, rows),
    '',
  ].join('\n');
}

interface Run {
  readonly date: string;
  readonly machine: Machine;
  readonly backend: string;
  readonly text: string;
  readonly model: {
    readonly layers: number;
    readonly hiddenSize: number;
    readonly heads: number;
    readonly parameters: number;
    readonly attention: Readonly<Record<'a' | 'b' | 'c', number>>;
  };
  readonly training: {
    readonly batchSize: number;
    readonly seqLen: number;
    readonly seconds: number;
    readonly tokens: number;
    readonly tokensPerSecond: number;
    readonly seed: number;
  };
  readonly validation: { readonly natsPerCharacter: number; readonly bitsPerByte: number };
  readonly order0Entropy: number;
}

/** The command that a run's settings amount to. */
const commandOf = ({ backend, text, model, training }: Run): string =>
  [
    'linattn train',
    ...(/built-in/.test(text) ? [] : ['--data FILE']),
    `--backend ${backend} --layers ${model.layers} --hidden ${model.hiddenSize} --heads ${model.heads}`,
    `--kernel ${model.attention.a},${model.attention.b},${model.attention.c}`,
    `--batch ${training.batchSize} --seq-len ${training.seqLen} --seed ${training.seed}`,
    `--minutes ${(training.seconds / 60).toFixed(1)}`,
  ].join(' ');

function runs(): string {
  const folder = 'docs/runs';
  return readdirSync(join(root, folder))
    .map((name) => {
      const file = `${folder}/${name}/result.json`;
      const run = read<Run>(file);
      const { model, training, validation, order0Entropy } = run;
      const columns = ['parameters', 'trained', 'tokens', 'tokens/s', 'order-0 entropy', 'validation loss'];
      const row = [
        thousands(model.parameters),
        `${(training.seconds / 60).toFixed(1)} min`,
        thousands(training.tokens),
        thousands(training.tokensPerSecond),
        `${order0Entropy.toFixed(2)} nats`,
        `${validation.natsPerCharacter.toFixed(2)} nats, ${validation.bitsPerByte.toFixed(2)} bits a byte`,
      ];
      return [
        `### ${name}\n`,
        source(commandOf(run), `${words(run.machine)}, ${run.date.slice(0, 10)}`, file),
        `${run.text}.\n`,
        table(columns, [row]),
        `\n![Training and validation loss of the run ${name}](./runs/${name}/curve.svg)\n`,
      ].join('\n');
    })
    .join('\n');
}

export function writePerformance(): void {
  const to = join(root, 'docs/measured');
  mkdirSync(to, { recursive: true });
  const parts = {
    cpu: cpu(),
    tfjs: adapter('tfjs', tfjsTable as (results: never) => string),
    jax: adapter('jax', jaxTable as (results: never) => string),
    gpu: gpu(),
    'gpu-training': gpuTraining(),
    runs: runs(),
  };
  for (const [name, text] of Object.entries(parts)) writeFileSync(join(to, `${name}.md`), text);
}
