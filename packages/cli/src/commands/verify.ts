import type { Backend } from '@linattn/math';
import { FormatError } from '@linattn/math';
import { loadSafetensors } from '@linattn/nn/node';
import { Command, Option } from 'commander';
import { type BackendEntry, backends, findBackend } from '../backends.ts';
import { readText } from '../data/read-text.ts';
import { BackendUnavailableError, UsageError } from '../errors.ts';
import { table } from '../terminal/table.ts';
import { Terminal } from '../terminal/terminal.ts';
import { attentionQuantities, checkAttentionCase, type Errors, parseAttentionCases } from '../verify/attention.ts';
import { checkModel, parseModelResults } from '../verify/model.ts';

/** Largest relative error that counts as agreement, by what the backend computes in. */
const tolerances = {
  attention: { float64: 1e-10, float32: 1e-5 },
  // Hugging Face's rotary angles are float32 in every case, so float64 cannot agree to more than that.
  model: { float64: 1e-6, float32: 1e-4 },
} as const;

interface VerifyOptions {
  readonly backend: readonly string[];
  readonly model?: string;
  readonly json?: boolean;
}

export function verifyCommand(exit: (code: number) => void): Command {
  return new Command('verify')
    .description('hold the backends here to results computed elsewhere')
    .argument('<file>', 'results in JSON (docs/verify.md tells the format)')
    .option('--model <weights>', "the file holds a model's results; its weights as safetensors")
    .addOption(
      new Option('--backend <names>', `one or more, with commas: ${backends.map(({ name }) => name).join(', ')}`)
        .argParser((text) => text.split(',').filter((name) => name !== ''))
        .default([], 'all that work here'),
    )
    .option('--json', 'for programs')
    .action(async (file: string, options: VerifyOptions) => {
      exit(await verify(file, options));
    });
}

interface Line {
  readonly name: string;
  readonly backend: string;
  readonly tolerance: number;
  readonly errors: Errors;
}

async function verify(file: string, { backend: names, model, json }: VerifyOptions): Promise<number> {
  const entries = await chooseBackends(names);
  const results = await readJson(file);
  const kind = model === undefined ? 'attention' : 'model';
  const run = model === undefined ? attentionRunner(results) : await modelRunner(results, model);
  const terminal = new Terminal();
  const lines: Line[] = [];
  for (const entry of entries) {
    terminal.status(`running on ${entry.name}`);
    const backend = await entry.create();
    try {
      const tolerance = tolerances[kind][backend.dtype];
      for (const { name, errors } of await run(backend)) lines.push({ name, backend: entry.name, tolerance, errors });
    } finally {
      await backend.dispose();
    }
  }
  terminal.clearStatus();
  const failures = lines.flatMap(({ errors, tolerance }) =>
    Object.values(errors).filter((error) => error !== undefined && !(error <= tolerance)),
  );
  if (json) terminal.line(JSON.stringify({ file, lines, agrees: failures.length === 0 }, null, 2));
  else report(terminal, kind, lines, failures.length);
  return failures.length === 0 ? 0 : 1;
}

async function chooseBackends(names: readonly string[]): Promise<BackendEntry[]> {
  const chosen: BackendEntry[] = [];
  for (const entry of names.length > 0 ? names.map(findBackend) : backends) {
    const availability = await entry.available();
    if (availability.ok) chosen.push(entry);
    else if (names.length > 0) throw new BackendUnavailableError(entry.name, availability.reason);
  }
  return chosen;
}

async function readJson(file: string): Promise<unknown> {
  const { text, cut } = await readText(file, 2 ** 29, 'file');
  if (cut) throw new UsageError('file', `${file} is larger than 512 MiB`, { given: file });
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new FormatError('file', `${file} is not JSON`, { given: file, cause });
  }
}

type Runner = (backend: Backend) => Promise<{ readonly name: string; readonly errors: Errors }[]>;

function attentionRunner(results: unknown): Runner {
  const cases = parseAttentionCases(results);
  return async (backend) => {
    const lines = [];
    for (const one of cases) lines.push({ name: one.name, errors: await checkAttentionCase(backend, one) });
    return lines;
  };
}

async function modelRunner(json: unknown, weightsPath: string): Promise<Runner> {
  const results = parseModelResults(json);
  const weights = await loadSafetensors(weightsPath);
  return async (backend) => {
    const errors = await checkModel(backend, results, weights);
    // Parameter names are too long for columns: one line each.
    return Object.entries(errors).map(([name, error]) => ({
      name: name === 'logits' || name === 'loss' ? name : `gradient of ${name}`,
      errors: { error },
    }));
  };
}

function report(terminal: Terminal, kind: keyof typeof tolerances, lines: readonly Line[], failures: number): void {
  const { green, red, dim, bold } = terminal.color;
  const columns = kind === 'attention' ? attentionQuantities : ['error'];
  const cell = (error: number | undefined, tolerance: number) => {
    if (error === undefined) return dim('–');
    const text = Number.isFinite(error) ? error.toExponential(1) : 'not finite';
    return error <= tolerance ? text : red(`${text} ✗`);
  };
  const rows = [
    ['case', 'backend', ...columns, 'tolerance'].map((title) => dim(title)),
    ...lines.map(({ name, backend, tolerance, errors }) => [
      name,
      backend,
      ...columns.map((column) => cell(errors[column], tolerance)),
      dim(String(tolerance)),
    ]),
  ];
  for (const line of table(rows, 2)) terminal.line(line);
  terminal.line();
  terminal.line(
    failures === 0
      ? green('everything agrees')
      : bold(red(`${failures} ${failures === 1 ? 'error is' : 'errors are'} over the tolerance`)),
  );
  terminal.line(
    dim('errors are relative: |computed - expected| / |expected|, in the Euclidean norm of the whole tensor'),
  );
}
