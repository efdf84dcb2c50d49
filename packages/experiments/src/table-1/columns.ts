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
import { generateListops, type ListopsOptions, listopsExamples, listopsTokens } from './data/listops.ts';
import type { Table1Settings } from './index.ts';
import { modelOf, type Variant } from './variants.ts';

/** How a column is trained. */
export interface Training {
  readonly steps: number;
  readonly batchSize: number;
  readonly seqLen: number;
  readonly learningRate: number;
}

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

/** A column of the table. */
export interface Column {
  readonly name: string;
  readonly unit: 'nats a character' | 'accuracy';
  measure(backend: Backend, options: CellOptions, context: TaskContext): Promise<Cell>;
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
  readonly training: readonly Labelled[];
  readonly held: readonly Labelled[];
}

/** A column of sequences with a class. */
const classification = (
  name: string,
  sizes: { readonly vocabSize: number; readonly classes: number },
  load: (settings: Table1Settings, seed: number) => Split,
  note: string,
): Column => ({
  name,
  unit: 'accuracy',
  measure: async (backend, options, context) => {
    const { settings, training, seed, variant } = options;
    // The same examples for every seed: seeds are of parameters, order and noise.
    const { training: examples, held } = load(settings, settings.seed);
    const config = modelOf(variant, settings.dropout, { vocabSize: sizes.vocabSize, mask: 'bidirectional' });
    const model = SequenceClassifier.init(backend, { ...config, classes: sizes.classes }, { seed });
    const validation = labelled(held, { order: 'sequential' });
    const { seconds } = await train(
      model,
      { training: labelled(examples, { seed }), validation },
      planOf(options),
      context,
    );
    const score = await accuracy(model, validation, training);
    model.dispose();
    const counts = new Map<number, number>();
    for (const { label } of held) counts.set(label, (counts.get(label) ?? 0) + 1);
    return { score, trivial: Math.max(...counts.values()) / held.length, seconds, note };
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

const listops = (name: string, bounds: Omit<ListopsOptions, 'seed' | 'count'>, note: string): Column =>
  classification(
    name,
    { vocabSize: listopsTokens.length, classes: 10 },
    ({ examples, held }, seed) => {
      const all = listopsExamples(generateListops({ seed, count: examples + held.examples, ...bounds }));
      return { training: all.slice(held.examples), held: all.slice(0, held.examples) };
    },
    note,
  );

/** Those that can be run. */
export const columns: readonly Column[] = [
  tinyStories,
  listops(
    'ListOps-short',
    { minLength: 8, maxLength: 64, maxDepth: 4, maxArguments: 5 },
    'generated: 9 to 63 tokens, depth 4, 2 to 5 arguments',
  ),
  listops('ListOps', {}, 'generated: 501 to 1,999 tokens, depth 10, 2 to 10 arguments'),
];

/** Columns of the Long Range Arena in the order of the published rows. */
export const arena = ['ListOps', 'Text', 'Retrieval', 'Image', 'Pathfinder'] as const;

export function findColumn(name: string): Column {
  return columns.find((column) => column.name === name)!;
}
