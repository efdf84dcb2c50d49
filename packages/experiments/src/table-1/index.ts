import type { Experiment, Task } from '../frame/experiment.ts';
import { type Cell, findColumn, type NotRun } from './columns.ts';
import { cellKey, type Table1Settings } from './settings.ts';
import { variants } from './variants.ts';
import { writeTable1 } from './write.ts';

/** The ablation of dropout: attention and what stands in for dropout, on several data sets. */
export const table1: Experiment<Table1Settings, Cell | NotRun> = {
  name: 'table-1',
  title: 'Table 1: what stands in for dropout',
  scales: {
    smoke: {
      ...{ seed: 1, data: 'stories', seeds: 2, dropout: 0.2, held: { examples: 20, tokens: 128 } },
      columns: {
        TinyStories: { steps: 3, batchSize: 2, seqLen: 32, learningRate: 3e-3 },
        'ListOps-short': { examples: 40, steps: 3, batchSize: 4, seqLen: 64, learningRate: 3e-3 },
      },
    },
    laptop: {
      ...{
        seed: 1,
        data: 'tinystories',
        seeds: 3,
        dropout: 0.2,
        held: { examples: 1000, tokens: 16_384 },
      },
      columns: {
        TinyStories: { steps: 150, batchSize: 4, seqLen: 256, learningRate: 3e-3 },
        'ListOps-short': { examples: 8000, steps: 200, batchSize: 32, seqLen: 64, learningRate: 3e-3 },
      },
    },
    paper: {
      ...{ seed: 1, data: 'tinystories-train', seeds: 3, dropout: 0.2 },
      held: { examples: 2000, tokens: 131_072 },
      columns: {
        TinyStories: { steps: 20_000, batchSize: 16, seqLen: 512, learningRate: 1e-3 },
        'ListOps-short': { examples: 96_000, steps: 10_000, batchSize: 32, seqLen: 64, learningRate: 1e-3 },
        ListOps: { examples: 96_000, steps: 10_000, batchSize: 32, seqLen: 2000, learningRate: 1e-3 },
        Text: { steps: 20_000, batchSize: 32, seqLen: 4000, learningRate: 1e-3 },
        'Same film': { examples: 40_000, steps: 20_000, batchSize: 32, seqLen: 4001, learningRate: 1e-3 },
        Image: { steps: 35_000, batchSize: 64, seqLen: 1024, learningRate: 1e-3 },
        Pathfinder: { examples: 40_000, steps: 20_000, batchSize: 64, seqLen: 1024, learningRate: 1e-3 },
      },
    },
  },
  tasks: (settings) =>
    Object.entries(settings.columns).flatMap(([column, training]) =>
      variants.flatMap((variant) =>
        Array.from({ length: settings.seeds }, (_, i): Task<Cell | NotRun> => {
          const seed = settings.seed + i;
          return {
            key: cellKey(column, variant, seed),
            weight: training.steps * training.batchSize * training.seqLen,
            again: (value) => 'missing' in value,
            run: async (context) => {
              const backend = await context.openBackend();
              try {
                return await findColumn(column).measure(backend, { variant, training, seed, settings }, context);
              } finally {
                await backend.dispose();
              }
            },
          };
        }),
      ),
    ),
  write: writeTable1,
};
