import { type Backend, indices, tensor } from '@linattn/math';
import {
  type BatchSource,
  GPTNeoX,
  type Labelled,
  labelled,
  resolveConfig,
  SequenceClassifier,
  sampledWindows,
  sequentialWindows,
} from '@linattn/nn';
import type { TaskContext } from '../frame/experiment.ts';
import { train } from '../training/train.ts';
import { greyImages, parseLabels } from './data/cifar.ts';
import { parseReviews, type Review, sameFilm, sentiment } from './data/imdb.ts';
import { generateListops, type ListopsOptions, listopsExamples, listopsTokens } from './data/listops.ts';
import { generatePathfinder } from './data/pathfinder.ts';
import type { Table1Settings, Training } from './settings.ts';
import { modelOf, type Variant } from './variants.ts';

/** What a cell came to: nats a character, or the share of examples classified rightly. */
export interface Cell {
  readonly score: number;
  /** Of always giving the commonest class, or of knowing the characters' frequencies only. */
  readonly trivial: number;
  readonly seconds: number;
  readonly note: string;
}

export interface CellOptions {
  readonly variant: Variant;
  readonly training: Training;
  readonly seed: number;
  readonly settings: Table1Settings;
}

/** A file of the data is not there. */
export interface NotRun {
  readonly missing: string;
}

/** A column of the table. */
export interface Column {
  readonly name: string;
  readonly unit: 'nats a character' | 'accuracy';
  measure(backend: Backend, options: CellOptions, context: TaskContext): Promise<Cell | NotRun>;
}

const planOf = ({ training, seed }: CellOptions) => ({ ...training, seed, weightDecay: 0.1, evaluations: 1 });

const tinyStories: Column = {
  name: 'TinyStories',
  unit: 'nats a character',
  measure: async (backend, options, context) => {
    const { settings, training, seed, variant } = options;
    const text = await context.loadText(settings.data, 'bytes');
    const config = modelOf(variant, settings.dropout, { vocabSize: text.vocabSize, mask: 'causal' });
    const model = GPTNeoX.init(backend, resolveConfig(config), { seed });
    const held =
      Math.floor(Math.min(settings.held.tokens, text.validation.length - 1) / training.seqLen) * training.seqLen;
    const data = {
      training: sampledWindows(text.training, { seed }),
      validation: sequentialWindows(text.validation.subarray(0, held + 1)),
    };
    const { validation, seconds } = await train(model, data, planOf(options), context);
    model.dispose();
    return {
      score: validation.at(-1)!.loss / text.charactersPerToken,
      trivial: text.entropy,
      seconds,
      note: text.description,
    };
  },
};

interface Split {
  readonly note: string;
  readonly training: readonly Labelled[];
  readonly held: readonly Labelled[];
}

interface LoadOptions {
  readonly settings: Table1Settings;
  /** How many to train on, and to score on. */
  readonly counts: { readonly training: number; readonly held: number };
  readonly seqLen: number;
  readonly context: TaskContext;
}

/** A column of sequences with a class. */
const classification = (
  name: string,
  sizes: { readonly vocabSize: number; readonly classes: number },
  load: (options: LoadOptions) => Promise<Split | NotRun>,
): Column => ({
  name,
  unit: 'accuracy',
  measure: async (backend, options, context) => {
    const { settings, training, seed, variant } = options;
    // The same examples for every seed: seeds are of parameters, order and noise.
    const counts = { training: training.examples ?? Number.POSITIVE_INFINITY, held: settings.held.examples };
    const split = await load({ settings, counts, seqLen: training.seqLen, context });
    if ('missing' in split) return split;
    const config = modelOf(variant, settings.dropout, { vocabSize: sizes.vocabSize, mask: 'bidirectional' });
    const model = SequenceClassifier.init(backend, { ...config, classes: sizes.classes }, { seed });
    const data = {
      training: labelled(split.training, { seed }),
      validation: labelled(split.held, { order: 'sequential' }),
    };
    const { seconds } = await train(model, data, planOf(options), context);
    const score = await accuracy(model, data.validation, training);
    model.dispose();
    const counted = new Map<number, number>();
    for (const { label } of split.held) counted.set(label, (counted.get(label) ?? 0) + 1);
    return { score, trivial: Math.max(...counted.values()) / split.held.length, seconds, note: split.note };
  },
});

/** Share of examples whose class has the largest logit. */
async function accuracy(
  model: SequenceClassifier,
  source: BatchSource,
  { batchSize, seqLen }: Training,
): Promise<number> {
  const { backend, targetSize } = model;
  let right = 0;
  let total = 0;
  for (let index = 0; ; index++) {
    const batch = source.batch(index, batchSize, seqLen);
    if (!batch) return right / total;
    const tokens = indices(backend, batch.tokens, batch.shape);
    const weights = batch.weights && tensor(backend, batch.weights, batch.shape);
    const logits = model.logits(tokens, { weights });
    const scores = await logits.read();
    batch.targets.forEach((target, row) => {
      const own = scores.subarray(row * targetSize, (row + 1) * targetSize);
      if (own.every((score) => score <= own[target])) right++;
    });
    total += batch.targets.length;
    for (const each of [tokens, weights, logits]) each?.dispose();
  }
}

/** Examples that are made: some to score on, the others to train on. */
const generated = (
  name: string,
  sizes: { readonly vocabSize: number; readonly classes: number },
  make: (seed: number, count: number) => readonly Labelled[],
  note: string,
): Column =>
  classification(name, sizes, async ({ settings, counts: { training, held } }) => {
    const all = make(settings.seed, training + held);
    return { training: all.slice(held), held: all.slice(0, held), note };
  });

const listops = (name: string, bounds: Omit<ListopsOptions, 'seed' | 'count'>, note: string): Column =>
  generated(
    name,
    { vocabSize: listopsTokens.length, classes: 10 },
    (seed, count) => listopsExamples(generateListops({ seed, count, ...bounds })),
    note,
  );

/** Byte 0 to 255, right or wrong. */
const bytes = { vocabSize: 256, classes: 2 };

const reviewColumn = (
  name: string,
  make: (reviews: readonly Review[], seed: number, count: number, limit: number) => readonly Labelled[],
  note: string,
): Column =>
  classification(name, bytes, async ({ settings: { seed }, counts, seqLen, context }) => {
    const files = ['imdb-train.tsv', 'imdb-test.tsv'] as const;
    const [training, held] = await Promise.all(files.map((file) => context.readData(file)));
    if (training === undefined || held === undefined)
      return { missing: `${files.join(' and ')} are not given (--files)` };
    return {
      training: make(parseReviews(training, files[0]), seed, counts.training, seqLen),
      held: make(parseReviews(held, files[1]), seed + 1, counts.held, seqLen),
      note,
    };
  });

/** Images of 32 × 32 grey pixels, read row by row. */
const imageColumn = classification('Image', { vocabSize: 256, classes: 10 }, async ({ counts, context }) => {
  const batches = [1, 2, 3, 4, 5].map((batch) => `data_batch_${batch}.png`);
  const names = ['train_lables.json', 'test_lables.json', 'test_batch.png', ...batches];
  const files = await Promise.all(names.map((name) => context.readData(name)));
  const absent = names.filter((_, i) => files[i] === undefined);
  if (absent.length > 0) return { missing: `${absent.join(', ')} not given (--files)` };
  const [trainLabels, testLabels, test, ...train] = files as Uint8Array[];
  const labels = parseLabels(trainLabels, names[0]);
  const each = labels.length / train.length;
  const images = train.flatMap((png, i) => greyImages(png, labels.slice(i * each, (i + 1) * each), batches[i]));
  return {
    training: spread(images, counts.training),
    held: spread(greyImages(test, parseLabels(testLabels, names[1]), names[2]), counts.held),
    note: 'CIFAR-10 in grey, a token a pixel',
  };
});

/** So many of them, from all over: the files are sorted. */
function spread<T>(items: readonly T[], count: number): T[] {
  const step = Math.max(1, items.length / count);
  return Array.from({ length: Math.min(count, items.length) }, (_, i) => items[Math.floor(i * step)]);
}

/** Those that can be run. */
export const columns: readonly Column[] = [
  tinyStories,
  listops(
    'ListOps-short',
    { minLength: 8, maxLength: 64, maxDepth: 4, maxArguments: 5 },
    'generated: 9 to 63 tokens, depth 4, 2 to 5 arguments',
  ),
  listops('ListOps', {}, 'generated: 501 to 1,999 tokens, depth 10, 2 to 10 arguments'),
  reviewColumn(
    'Text',
    (reviews, _, count, limit) => sentiment(spread(reviews, count), limit),
    'bytes of the Large Movie Review data set',
  ),
  reviewColumn(
    'Same film',
    (reviews, seed, count, limit) => sameFilm(reviews, { seed, count: Number.isFinite(count) ? count : 20_000, limit }),
    'in place of Retrieval: two reviews in one row, of the same film or not',
  ),
  imageColumn,
  generated(
    'Pathfinder',
    bytes,
    (seed, count) => generatePathfinder({ seed, count }),
    'generated after the description of Linsley et al. (2018): 32 × 32 pixels, 14 dashes',
  ),
];

/** Columns of the Long Range Arena in the order of the published rows. */
export const arena = ['ListOps', 'Text', 'Retrieval', 'Image', 'Pathfinder'] as const;

export function findColumn(name: string): Column {
  return columns.find((column) => column.name === name)!;
}
