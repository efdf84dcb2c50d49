import { join } from 'node:path';
import type { Host, Overrides, Scale } from '@linattn/experiments';
import { Command, Option } from 'commander';
import { backendNames, openBackend } from '../backends.ts';
import { bytesTokenizer } from '../data/tokenizer.ts';
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
  readonly data?: string;
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
    .option('--data <name|file>', 'figure-3: stories, tinystories, tinystories-train, or a text file')
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
  const { scale, out, backend, threads, memoryBudget, timeLimit, data, seed, overwrite } = options;
  const overrides: Overrides = { memoryBudget, timeLimit, data, seed };
  const terminal = new Terminal(process.stdout, { quiet: options.quiet });
  using interrupt = new Interrupt(() =>
    terminal.line(terminal.color.yellow('stopping after this measurement; Ctrl-C again to stop at once')),
  );
  // Opened once to be named: `auto` is only a wish, and a section tells what ran.
  const first = await openBackend(backend, { threads });
  const backendName = first.name;
  await first.dispose();
  const host = hostOf(terminal, interrupt, backendName, () => openBackend(backend, { threads }));
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

function hostOf(terminal: Terminal, interrupt: Interrupt, backendName: string, open: Host['openBackend']): Host {
  const pause = async () => {
    await interrupt.yield();
    if (interrupt.requested) throw new InterruptedError();
  };
  return {
    backendName,
    openBackend: open,
    pause,
    loadText: async (data) => {
      const settings = { data, validationShare: 0.05, dataLimit: 64 * 2 ** 20, stories: 4000, seed: 1 };
      const corpus = await loadCorpus(settings, bytesTokenizer, { signal: interrupt.signal, pause });
      return { ...corpus, vocabSize: Math.ceil(bytesTokenizer.vocabSize / 8) * 8 };
    },
    progress: ({ done, secondsLeft, text }) => {
      terminal.advance(done, `${formatPercent(done).padStart(4)}  `, `${text}  ${formatClock(secondsLeft)} left`);
    },
    line: (text) => terminal.line(text),
  };
}

/** The command as it would be typed again, without what only says where things are and how much is said. */
function describeCommand(name: string, command: Command): string {
  const hidden = new Set(['out', 'quiet', 'overwrite', 'debug']);
  const words = command.options.flatMap((each) => {
    const attribute = each.attributeName();
    if (hidden.has(attribute) || (command.getOptionValueSource(attribute) !== 'cli' && attribute !== 'scale'))
      return [];
    const value = String(command.getOptionValue(attribute));
    return [each.long!, attribute === 'data' ? value.split(/[\\/]/).at(-1)! : value];
  });
  return ['linattn', 'reproduce', name, ...words].join(' ');
}
