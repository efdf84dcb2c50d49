import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import type { Host, Overrides, Scale } from '@linattn/experiments';
import { Command, Option } from 'commander';
import { backendNames, openBackend } from '../backends.ts';
import { loadTokenizer } from '../data/tokenizer.ts';
import { withFile } from '../errors.ts';
import { Interrupt, InterruptedError } from '../interrupt.ts';
import * as parse from '../options.ts';
import { formatClock, formatDuration, formatPercent } from '../terminal/format.ts';
import { Terminal } from '../terminal/terminal.ts';
import { loadCorpus } from '../training/corpus.ts';

/** Where sections go unless `--out` says otherwise, under the working folder. */
export const reportFolder = join('.linattn', 'report');

interface ReproduceOptions {
  readonly scale: Scale;
  readonly out: string;
  readonly backend: string;
  readonly threads?: number;
  readonly memoryBudget?: number;
  readonly timeLimit?: number;
  readonly clock?: 'wall' | 'processor';
  readonly data?: string;
  readonly tokenizer?: string;
  readonly files?: string;
  readonly steps?: number;
  readonly seed?: number;
  readonly overwrite?: boolean;
  readonly quiet?: boolean;
}

export function reproduceCommand(): Command {
  const option = <T>(flags: string, description: string, parser: (option: string) => (text: string) => T) => {
    const made = new Option(flags, description);
    return made.argParser(parser(made.long!));
  };
  const command = new Command('reproduce')
    .description('run an experiment of the paper and write its section of the report; a run that was stopped goes on')
    .argument('<experiment>', 'figure-1 | figure-2 | figure-3 | table-1 | dropout-moments | numerics')
    .addOption(
      option(
        '--scale <scale>',
        'smoke (seconds), laptop (minutes), paper (a GPU host)',
        parse.oneOf('smoke', 'laptop', 'paper'),
      ).default('laptop'),
    )
    .option('--out <folder>', 'the report; the section gets a folder in it', reportFolder)
    .addOption(new Option('--backend <name>', backendNames.join(' | ')).default('auto'))
    .addOption(option('--threads <n>', 'threads of the backend wasm (default: one a processor)', parse.count))
    .addOption(
      option('--memory-budget <size>', 'figures 1 and 2: a method that needs more is marked X', parse.byteSize),
    )
    .addOption(
      option('--time-limit <seconds>', 'figures 1 and 2: longer runs are left out, and said so', parse.positive),
    )
    .addOption(
      option(
        '--clock <which>',
        'figures 1 and 2: wall, or processor (time that CPU backends computed, on a busy machine)',
        parse.oneOf('wall', 'processor'),
      ),
    )
    .option('--data <name|file>', 'figure-3: stories, tinystories, tinystories-train, or a text file')
    .option('--tokenizer <bytes|file>', 'figure-3: bytes, or a Hugging Face tokenizer.json')
    .addOption(option('--steps <n>', 'figure-3, table-1: training steps', parse.count))
    .option('--files <folder>', 'table-1: its data files, as the README of @linattn/experiments names them')
    .addOption(option('--seed <n>', 'of everything that is drawn', parse.integer))
    .option('--overwrite', 'throw former measurements away')
    .option('-q, --quiet', 'say nothing');
  return command.action(async (name: string, options: ReproduceOptions) => {
    await reproduce(name, options, command);
  });
}

async function reproduce(name: string, options: ReproduceOptions, command: Command): Promise<void> {
  const { findExperiment, runExperiment } = await import('@linattn/experiments');
  const experiment = findExperiment(name);
  const { scale, out, backend, threads, memoryBudget, timeLimit, clock, steps, seed, overwrite } = options;
  const [data, tokenizer] = [options.data, options.tokenizer].map((file) => file && basename(file));
  const overrides: Overrides = { memoryBudget, timeLimit, clock, data, tokenizer, steps, seed };
  const terminal = new Terminal(process.stdout, { quiet: options.quiet });
  using interrupt = new Interrupt(() =>
    terminal.line(terminal.color.yellow('stopping after this measurement; Ctrl-C again to stop at once')),
  );
  // Opened once to be named: `auto` is only a wish, and a section tells what ran.
  const first = await openBackend(backend, { threads });
  const device = 'description' in first ? ` (${String(first.description)})` : '';
  const backendName = first.name + device;
  await first.dispose();
  const host = hostOf(terminal, interrupt, options, backendName);
  try {
    const result = await withFile('--out', out, () =>
      runExperiment(experiment, { scale, out, host, command: describeCommand(name, command), overrides, overwrite }),
    );
    terminal.endProgress();
    terminal.line(`${experiment.title}: ${formatDuration(result.seconds)}, in ${join(out, experiment.name)}`);
    terminal.line(`\`linattn report${out === reportFolder ? '' : ` --out ${out}`}\` puts the sections together`);
  } catch (error) {
    terminal.endProgress();
    if (error instanceof InterruptedError) terminal.line('stopped; the same command goes on from here');
    throw error;
  } finally {
    terminal.endProgress();
  }
}

/** Most text that is read. */
const dataLimit = 256 * 2 ** 20;

function hostOf(terminal: Terminal, interrupt: Interrupt, options: ReproduceOptions, backendName: string): Host {
  const pause = async () => {
    await interrupt.yield();
    if (interrupt.requested) throw new InterruptedError();
  };
  // Experiments know files by their names alone, so that no result holds a path.
  const files = new Map([options.data, options.tokenizer].flatMap((file) => (file ? [[basename(file), file]] : [])));
  return {
    backendName,
    openBackend: () => openBackend(options.backend, { threads: options.threads }),
    pause,
    loadText: async (name, tokenizerName) => {
      const data = files.get(name) ?? name;
      const tokenizer = await loadTokenizer(files.get(tokenizerName) ?? tokenizerName);
      const settings = { data, validationShare: 0.05, dataLimit, stories: 4000, seed: 1 };
      const corpus = await loadCorpus(settings, tokenizer, {
        signal: interrupt.signal,
        pause,
        onStatus: (text) => terminal.status(text),
      });
      terminal.clearStatus();
      const description = corpus.description.replace(data, name);
      return { ...corpus, description, vocabSize: Math.ceil(tokenizer.vocabSize / 8) * 8 };
    },
    readData: (name) => readFrom(options.files, name),
    progress: ({ done, secondsLeft, text }) => {
      const left = Number.isFinite(secondsLeft) ? `  ${formatClock(secondsLeft)} left` : '';
      terminal.advance(done, `${formatPercent(done).padStart(4)}  `, text + left);
    },
    line: (text) => terminal.line(text),
  };
}

/** A file of a folder, as it is or packed. */
async function readFrom(folder: string | undefined, name: string): Promise<Uint8Array | undefined> {
  if (folder === undefined) return undefined;
  const forms = { '': (content: Buffer) => content, '.br': brotliDecompressSync, '.gz': gunzipSync };
  for (const [extension, unpack] of Object.entries(forms)) {
    const file = join(folder, name + extension);
    if (existsSync(file)) return withFile('--files', file, async () => unpack(await readFile(file)));
  }
  return undefined;
}

/** The command as it would be typed again, without what only says where things are and how much is said. */
function describeCommand(name: string, command: Command): string {
  const hidden = new Set(['out', 'quiet', 'overwrite', 'debug']);
  const words = command.options.flatMap((each) => {
    const attribute = each.attributeName();
    if (hidden.has(attribute) || (command.getOptionValueSource(attribute) !== 'cli' && attribute !== 'scale'))
      return [];
    const value = String(command.getOptionValue(attribute));
    return [each.long!, ['data', 'tokenizer', 'files'].includes(attribute) ? basename(value) : value];
  });
  return ['linattn', 'reproduce', name, ...words].join(' ');
}
