import { resolve } from 'node:path';
import { resolveConfig } from '@linattn/nn';
import { type Command, Option } from 'commander';
import { backendNames, backends } from '../backends.ts';
import { isTinyStories } from '../data/tinystories.ts';
import type { Tokenizer } from '../data/tokenizer.ts';
import * as parse from '../options.ts';
import type { TrainingSettings } from '../training/settings.ts';

export interface TrainOptions {
  readonly data: string;
  readonly validationData?: string;
  readonly validation: number;
  readonly dataLimit: number;
  readonly stories: number;
  readonly tokenizer: string;
  readonly backend: string;
  readonly threads?: number;
  readonly layers: number;
  readonly hidden: number;
  readonly heads: number;
  readonly attention: 'linear' | 'softmax';
  readonly kernel: readonly [number, number, number];
  readonly learnKernel?: boolean;
  readonly normalize: 'auto' | 'l2' | 'none';
  readonly radius?: number;
  readonly rotary: number;
  readonly rotaryBase: number;
  readonly shortConvolution: number;
  readonly dropout: number;
  readonly dropoutMode: 'paper' | 'unbiased' | 'matched' | 'keys';
  readonly dropoutDecay: 'linear' | 'cosine' | 'step' | 'constant';
  readonly batch: number;
  readonly seqLen: number;
  readonly steps?: number;
  readonly minutes?: number;
  readonly learningRate?: number;
  readonly warmup: number;
  readonly weightDecay: number;
  readonly clip: number;
  readonly seed: number;
  readonly evaluations: number;
  readonly saveEvery: number;
  readonly out?: string;
  readonly overwrite?: boolean;
  readonly resume?: string | true;
  readonly prompt: string;
  readonly storyTokens: number;
  readonly quiet?: boolean;
}

/** Minutes of training where neither `--steps` nor `--minutes` is given. */
const defaultMinutes = 2.5;

/** What may be said again when a run is resumed; all else is the run's own. */
export const freeOnResume = new Set(['backend', 'threads', 'resume', 'prompt', 'storyTokens', 'quiet', 'saveEvery']);

/** What slow backends train instead of the usual model. */
const slowBackends = backends.filter(({ slow }) => slow).map(({ name }) => name);
const smaller = {
  flags: '--layers 2 --kernel 1,1 --seq-len 256',
  options: { layers: 2, kernel: [1, 1, 0], seqLen: 256 },
} as const;

/** The options, with smaller defaults where a slow backend is asked for by name. */
export function fitToBackend(options: TrainOptions, command: Command): TrainOptions {
  if (!slowBackends.includes(options.backend)) return options;
  const untold = Object.entries(smaller.options).filter(([name]) => command.getOptionValueSource(name) !== 'cli');
  return { ...options, ...Object.fromEntries(untold) };
}

function option<T>(
  flags: string,
  description: string,
  parser: (option: string) => (text: string) => T,
  value?: T,
  shown?: string,
): Option {
  const made = new Option(flags, description);
  made.argParser(parser(made.long!));
  if (value !== undefined) made.default(value, shown);
  return made;
}

/** The options of `linattn train`, in groups, with their defaults. */
export function addTrainOptions(command: Command): Command {
  return command
    .optionsGroup('Text:')
    .option(
      '--data <name|file>',
      'stories (built in), tinystories, tinystories-train, or a text file (.gz and .br too)',
      'stories',
    )
    .option('--validation-data <file>', 'text to validate on, instead of a part of --data')
    .addOption(option('--validation <share>', 'part of the text kept for validation', parse.share, 0.05))
    .addOption(option('--data-limit <size>', 'most text that is read', parse.byteSize, 64 * 2 ** 20, '64MiB'))
    .addOption(option('--stories <count>', 'how many built-in stories are told', parse.count, 4000))
    .option('--tokenizer <bytes|file>', 'bytes, or a Hugging Face tokenizer.json', 'bytes')
    .optionsGroup('Model:')
    .addOption(option('--layers <n>', 'blocks', parse.count, 3))
    .addOption(option('--hidden <n>', 'features of a token', parse.count, 64))
    .addOption(option('--heads <n>', 'attention heads', parse.count, 4))
    .addOption(option('--attention <type>', 'linear | softmax', parse.oneOf('linear', 'softmax'), 'linear' as const))
    .addOption(
      option(
        '--kernel <a,b,c>',
        'f(x) = a + b x + c x² of linear attention',
        parse.coefficients,
        [1, 1, 0.5] as const,
        '1,1,0.5',
      ),
    )
    .option('--learn-kernel', 'a, b and c are learned')
    .addOption(
      option(
        '--normalize <type>',
        'auto | l2 | none: scale queries and keys to one length (auto: where f could be negative)',
        parse.oneOf('auto', 'l2', 'none'),
        'auto' as const,
      ),
    )
    .addOption(option('--radius <r>', 'that length (default: r² = 0.95 a / |b|)', parse.positive))
    .addOption(
      option('--rotary <share>', "share of a head's features that turn with the position", parse.shareOrNone, 1),
    )
    .addOption(option('--rotary-base <n>', 'slowness of the slowest of them', parse.positive, 100))
    .addOption(
      option(
        '--short-convolution <n>',
        'tokens that a convolution before each branch spans; 0: none',
        parse.countOrZero,
        4,
      ),
    )
    .addOption(option('--dropout <rate>', "rate of attention dropout's replacement at the start", parse.rate, 0))
    .addOption(
      option(
        '--dropout-mode <mode>',
        'paper | unbiased | matched | keys',
        parse.oneOf('paper', 'unbiased', 'matched', 'keys'),
        'keys' as const,
      ),
    )
    .addOption(
      option(
        '--dropout-decay <shape>',
        'linear | cosine | step | constant',
        parse.oneOf('linear', 'cosine', 'step', 'constant'),
        'linear' as const,
      ),
    )
    .optionsGroup('Training:')
    .addOption(
      new Option(
        '--backend <name>',
        `${backendNames.join(' | ')}; the slow ones (${slowBackends.join(', ')}) train a smaller model unless told otherwise: ${smaller.flags}`,
      ).default('auto'),
    )
    .addOption(option('--threads <n>', 'threads of the backend wasm (default: one a processor)', parse.count))
    .addOption(option('--steps <n>', 'updates', parse.count))
    .addOption(
      option(
        '--minutes <m>',
        `time to train for (default: ${defaultMinutes}, unless --steps is given)`,
        parse.positive,
      ),
    )
    .addOption(option('--batch <n>', 'rows a step', parse.count, 2))
    .addOption(option('--seq-len <n>', 'tokens a row', parse.count, 512))
    .addOption(option('--learning-rate <r>', 'at its highest (default: 0.64 / --hidden)', parse.positive))
    .addOption(option('--warmup <n>', 'steps of linear rise', parse.countOrZero, 20))
    .addOption(option('--weight-decay <w>', 'of matrices', parse.notNegative, 0.1))
    .addOption(option('--clip <norm>', 'largest length of all gradients together; 0: no limit', parse.notNegative, 1))
    .addOption(option('--seed <n>', 'of parameters, batches, noise and built-in stories', parse.integer, 1))
    .addOption(option('--evaluations <n>', 'validations over the run', parse.countOrZero, 10))
    .optionsGroup('Run:')
    .option('--out <folder>', 'where log, curve and checkpoint go (default: a new folder in .linattn/runs)')
    .option('--overwrite', '--out may hold a former run')
    .option('--resume [folder]', 'go on with a run, the newest unless one is named')
    .addOption(option('--save-every <seconds>', 'between checkpoints', parse.positive, 60))
    .option('--prompt <text>', 'how the story at the end begins', 'Once upon a time')
    .addOption(option('--story-tokens <n>', 'longest story at the end; 0: none', parse.countOrZero, 700))
    .option('-q, --quiet', 'nothing but the story');
}

/**
 * What the options say, with nothing left to defaults.
 * @throws ValueError naming what does not fit together.
 */
export function settingsFrom(options: TrainOptions, tokenizer: Tokenizer): Omit<TrainingSettings, 'dataDigest'> {
  const {
    attention,
    kernel: [a, b, c],
    normalize,
    radius,
    learnKernel = false,
    dropout,
  } = options;
  // f has no root and opens upwards: no denominator can vanish. Learned coefficients may leave that range.
  const alwaysPositive = c > 0 && b * b < 4 * a * c && !learnKernel;
  const model = resolveConfig({
    // A multiple of 8 suits every backend's kernels; ids beyond the tokenizer's never occur.
    vocabSize: Math.ceil(tokenizer.vocabSize / 8) * 8,
    hiddenSize: options.hidden,
    layers: options.layers,
    heads: options.heads,
    shortConvolution: options.shortConvolution,
    rotaryFraction: evenShare(options.rotary, options.hidden / options.heads),
    rotaryBase: options.rotaryBase,
    attention:
      attention === 'softmax'
        ? { type: 'softmax' }
        : {
            type: 'linear',
            a,
            b,
            c,
            learnable: learnKernel,
            order: c === 0 ? 1 : 2,
            normalize: normalize === 'auto' ? (alwaysPositive ? 'none' : 'l2') : normalize,
            ...(radius === undefined ? {} : { radius }),
          },
    dropout: dropout > 0 ? { mode: options.dropoutMode, rate: dropout, decay: options.dropoutDecay } : undefined,
  });
  const file = (name: string) => (name === 'stories' || isTinyStories(name) ? name : resolve(name));
  return {
    version: 1,
    data: file(options.data),
    validationData: options.validationData === undefined ? undefined : file(options.validationData),
    validationShare: options.validation,
    dataLimit: options.dataLimit,
    stories: options.stories,
    tokenizer: tokenizer.source === undefined ? tokenizer.name : 'tokenizer.json',
    model,
    batchSize: options.batch,
    seqLen: options.seqLen,
    steps: options.steps,
    minutes: options.minutes ?? (options.steps === undefined ? defaultMinutes : undefined),
    // The wider, the smaller; measured at 64 and 96.
    learningRate: options.learningRate ?? 0.64 / options.hidden,
    warmup: options.warmup,
    weightDecay: options.weightDecay,
    clip: options.clip,
    seed: options.seed,
    evaluations: options.evaluations,
    saveEvery: options.saveEvery,
  };
}

/** The nearest share of a head's features that makes an even number of them turn. */
function evenShare(share: number, headDim: number): number {
  const pairs = Math.min(Math.floor(headDim / 2), Math.max(share > 0 ? 1 : 0, Math.round((share * headDim) / 2)));
  return (2 * pairs) / headDim;
}
