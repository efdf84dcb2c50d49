import type { Experiment, Scale, Task } from '../frame/experiment.ts';
import { measurePoint, type Point } from './measure.ts';
import { methods } from './methods/index.ts';
import { pointKey, type ScalingSettings } from './settings.ts';
import { writeScaling } from './write.ts';

const GiB = 2 ** 30;
const doublings = (from: number, count: number): number[] => Array.from({ length: count }, (_, i) => from * 2 ** i);

function experiment(
  name: string,
  title: string,
  grows: 'N' | 'D',
  scales: Readonly<Record<Scale, ScalingSettings>>,
): Experiment<ScalingSettings, Point> {
  return {
    name,
    title,
    scales,
    tasks: ({ batch, heads, tokens, headDims, seed, memoryBudget, timeLimit, clock }) =>
      methods.flatMap((method) => {
        const shapes = tokens.flatMap((count) => headDims.map((headDim) => ({ batch, heads, tokens: count, headDim })));
        return shapes.map((shape, i): Task<Point> => {
          const smaller = shapes[i - 1];
          return {
            key: pointKey(method.name, shape),
            weight: 1 + i,
            run: async ({ openBackend, measured, report }) => {
              // A fresh one each time: no size finds memory grown, or torn, by another.
              const backend = await openBackend();
              try {
                const point = smaller && (measured(pointKey(method.name, smaller)) as Point);
                const before = smaller && { shape: smaller, point };
                return await measurePoint(backend, {
                  method,
                  shape,
                  seed,
                  memoryBudget,
                  timeLimit,
                  clock,
                  before,
                  report,
                });
              } finally {
                await backend.dispose();
              }
            },
          };
        });
      }),
    write: (section, settings, values) => writeScaling(section, settings, values, grows),
  };
}

/** Time and memory of one layer's attention against the tokens. */
export const figure1 = experiment('figure-1', 'Figure 1: time and memory against the number of tokens', 'N', {
  smoke: {
    ...{ seed: 1, batch: 1, heads: 2, tokens: [64, 128, 256], headDims: [8] },
    ...{ memoryBudget: 2 ** 20, timeLimit: 10, clock: 'wall' },
  },
  laptop: {
    ...{ seed: 1, batch: 1, heads: 4, tokens: doublings(1024, 9), headDims: [32] },
    ...{ memoryBudget: 2 * GiB, timeLimit: 15, clock: 'wall' },
  },
  paper: {
    ...{ seed: 1, batch: 32, heads: 16, tokens: [1000, 3000, 10_000, 30_000, 100_000, 300_000], headDims: [32] },
    ...{ memoryBudget: 80 * GiB, timeLimit: 60, clock: 'wall' },
  },
});

/** The same against the features of a head. */
export const figure2 = experiment('figure-2', 'Figure 2: time and memory against the head dimension', 'D', {
  smoke: {
    ...{ seed: 1, batch: 1, heads: 2, tokens: [64], headDims: [8, 16, 32] },
    ...{ memoryBudget: 2 ** 20, timeLimit: 10, clock: 'wall' },
  },
  laptop: {
    ...{ seed: 1, batch: 1, heads: 4, tokens: [2000], headDims: doublings(16, 7) },
    ...{ memoryBudget: 2 * GiB, timeLimit: 15, clock: 'wall' },
  },
  paper: {
    ...{ seed: 1, batch: 32, heads: 16, tokens: [2000], headDims: [32, 64, 128, 256, 512, 1024, 2048, 5000] },
    ...{ memoryBudget: 80 * GiB, timeLimit: 60, clock: 'wall' },
  },
});
