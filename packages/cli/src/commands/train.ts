import { rm, stat } from 'node:fs/promises';
import type { Backend } from '@linattn/math';
import { Command } from 'commander';
import { findBackend, openBackend } from '../backends.ts';
import { checkTokenizerFits, loadTokenizer, type Tokenizer } from '../data/tokenizer.ts';
import { UsageError } from '../errors.ts';
import { Interrupt, InterruptedError, interruptedExitCode } from '../interrupt.ts';
import { formatCount, formatDuration } from '../terminal/format.ts';
import { Terminal } from '../terminal/terminal.ts';
import { type Corpus, loadCorpus } from '../training/corpus.ts';
import { reportResults } from '../training/report.ts';
import { RunFolder } from '../training/run-folder.ts';
import { runSession } from '../training/session.ts';
import type { TrainingSettings } from '../training/settings.ts';
import { continueText } from './generate.ts';
import { addTrainOptions, fitToBackend, freeOnResume, settingsFrom, type TrainOptions } from './train-options.ts';

export function trainCommand(exit: (code: number) => void): Command {
  const command = new Command('train').description('train a language model with linear attention on text');
  return addTrainOptions(command).action(async (options: TrainOptions) => {
    exit(await train(options, command));
  });
}

async function train(options: TrainOptions, command: Command): Promise<number> {
  const terminal = new Terminal(process.stdout, { quiet: options.quiet });
  using interrupt = new Interrupt(() =>
    terminal.line(terminal.color.yellow('stopping after this step; Ctrl-C again to stop at once')),
  );
  const { dim, bold } = terminal.color;
  const prepared = options.resume
    ? await prepareResume(options, command, terminal, interrupt)
    : await prepareFresh(fitToBackend(options, command), terminal, interrupt);
  const { settings, corpus, tokenizer, folder, resume } = prepared;
  terminal.clearStatus();
  if (interrupt.requested) throw new InterruptedError();
  const backend = await openBackend(options.backend, { threads: options.threads });
  try {
    describeRun(terminal, prepared, backend);
    const result = await runSession({ settings, corpus, tokenizer, backend, folder, terminal, interrupt, resume });
    try {
      if (result.interrupted) {
        terminal.line(`saved after ${result.steps} steps in ${folder.path}`);
        terminal.line(`go on with: ${bold(`linattn train --resume ${folder.path}`)}`);
        return interruptedExitCode;
      }
      reportResults(terminal, result, corpus, folder);
      if (options.storyTokens > 0) {
        terminal.line();
        await continueText(result.model, tokenizer, {
          prompt: options.prompt,
          maxTokens: options.storyTokens,
          temperature: 0.7,
          seed: settings.seed,
          write: (text) => terminal.result(text),
          style: { prompt: bold, note: dim },
          interrupt,
        });
      }
      return interrupt.requested ? interruptedExitCode : 0;
    } finally {
      result.model.dispose();
    }
  } finally {
    terminal.endProgress();
    await backend.dispose();
  }
}

interface Prepared {
  readonly settings: TrainingSettings;
  readonly corpus: Corpus;
  readonly tokenizer: Tokenizer;
  readonly folder: RunFolder;
  readonly resume: boolean;
}

async function prepareFresh(options: TrainOptions, terminal: Terminal, interrupt: Interrupt): Promise<Prepared> {
  if (options.backend !== 'auto') findBackend(options.backend);
  const folder = options.out === undefined ? RunFolder.fresh() : new RunFolder(options.out);
  if (await stat(folder.settingsPath).catch(() => undefined)) {
    if (!options.overwrite) {
      throw new UsageError(
        '--out',
        `${folder.path} holds a run already; --resume goes on with it, --overwrite begins anew`,
        { given: folder.path },
      );
    }
  }
  const tokenizer = await loadTokenizer(options.tokenizer);
  const settings = settingsFrom(options, tokenizer);
  const corpus = await load(settings, tokenizer, terminal, interrupt);
  checkLength(corpus, settings);
  if (options.overwrite) await rm(folder.checkpointPath, { recursive: true, force: true });
  const complete = { ...settings, dataDigest: corpus.digest };
  await folder.begin(complete, tokenizer);
  return { settings: complete, corpus, tokenizer, folder, resume: false };
}

async function prepareResume(
  options: TrainOptions,
  command: Command,
  terminal: Terminal,
  interrupt: Interrupt,
): Promise<Prepared> {
  for (const { attributeName, long } of command.options.map((o) => ({
    attributeName: o.attributeName(),
    long: o.long,
  }))) {
    if (!freeOnResume.has(attributeName) && command.getOptionValueSource(attributeName) === 'cli') {
      throw new UsageError(
        long ?? attributeName,
        'is part of the run that --resume goes on with, and cannot be given again',
      );
    }
  }
  const folder = await RunFolder.find(options.resume === true ? undefined : options.resume, '--resume');
  const saved = await folder.settings();
  const settings =
    command.getOptionValueSource('saveEvery') === 'cli' ? { ...saved, saveEvery: options.saveEvery } : saved;
  const tokenizer = await folder.tokenizer(settings);
  checkTokenizerFits(tokenizer, settings.model.vocabSize);
  const corpus = await load(settings, tokenizer, terminal, interrupt);
  if (corpus.digest !== settings.dataDigest) {
    throw new UsageError(
      '--resume',
      `${settings.data} changed since the run began; it can only go on with the same text`,
      { given: settings.data },
    );
  }
  return { settings, corpus, tokenizer, folder, resume: true };
}

function load(
  settings: Omit<TrainingSettings, 'dataDigest'>,
  tokenizer: Tokenizer,
  terminal: Terminal,
  interrupt: Interrupt,
): Promise<Corpus> {
  return loadCorpus(settings, tokenizer, {
    signal: interrupt.signal,
    onStatus: (text) => terminal.status(text),
    pause: async () => {
      await interrupt.yield();
      if (interrupt.requested) throw new InterruptedError();
    },
  });
}

function checkLength({ training, validation }: Corpus, { seqLen }: Pick<TrainingSettings, 'seqLen'>): void {
  if (training.length <= seqLen) {
    throw new UsageError(
      '--seq-len',
      `the text has ${training.length} tokens to train on, and one row takes ${seqLen + 1}; use a longer text or a smaller --seq-len`,
    );
  }
  if (validation.length < 2) throw new UsageError('--validation', 'leaves no text to validate on; use a larger share');
}

function describeRun(
  terminal: Terminal,
  { settings, corpus, tokenizer, folder, resume }: Prepared,
  backend: Backend,
): void {
  const { model, batchSize, seqLen, steps, minutes, learningRate } = settings;
  const { dim } = terminal.color;
  const say = (label: string, text: string) => terminal.line(`${dim(label.padEnd(10))} ${text}`);
  const { attention } = model;
  const term = (value: number, of: string) =>
    value === 0 ? [] : [`${value === 1 && of ? '' : value}${of && value !== 1 ? ' ' : ''}${of}`];
  const f =
    attention.type === 'linear'
      ? `linear attention, f(x) = ${[...term(attention.a, ''), ...term(attention.b, 'x'), ...term(attention.c, 'x²')].join(' + ') || '0'}`
      : 'softmax attention';
  say('text', corpus.description);
  say(
    'tokenizer',
    tokenizer.name === 'bytes' ? 'bytes' : `${tokenizer.name}, ${formatCount(tokenizer.vocabSize)} tokens`,
  );
  say('model', `${model.layers} layers, ${model.hiddenSize} features, ${model.heads} heads, ${f}`);
  say('backend', `${backend.name} (${backend.dtype})`);
  const length = [...(steps ? [`${steps} steps`] : []), ...(minutes ? [formatDuration(60 * minutes)] : [])].join(
    ' or ',
  );
  say('plan', `${length}, ${batchSize} × ${seqLen} tokens a step, learning rate ${learningRate}`);
  say('run', `${folder.path}${resume ? ' (resumed)' : ''}`);
}
