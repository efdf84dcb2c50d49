import type { Experiment, Task, TaskContext } from '../frame/experiment.ts';
import { measureDenominators } from './denominators.ts';
import { measureLength } from './length.ts';
import { measurePrinted } from './printed.ts';
import { keys, type NumericsSettings, type NumericsValue, normalizations } from './settings.ts';
import { measureSharpness } from './sharpness.ts';
import { writeNumerics } from './write.ts';

async function onBackend<T>(
  { openBackend }: TaskContext,
  body: (backend: Awaited<ReturnType<typeof openBackend>>) => Promise<T>,
): Promise<T> {
  const backend = await openBackend();
  try {
    return await body(backend);
  } finally {
    await backend.dispose();
  }
}

/** What f = 1 + x divides by, with and without normalisation; errors against float64 by length; the paper's equations put to the test. */
export const numerics: Experiment<NumericsSettings, NumericsValue> = {
  name: 'numerics',
  title: 'Denominators, gradients and rounding',
  scales: {
    smoke: { seed: 1, tokens: 64, headDims: [8, 16], lengths: [64, 256], headDim: 8, crowds: [4, 16] },
    laptop: {
      seed: 1,
      tokens: 4096,
      headDims: [8, 16, 32, 64, 128],
      lengths: [1000, 4000, 16_000, 64_000, 250_000, 1_000_000],
      headDim: 16,
      crowds: [4, 16, 64, 256, 1024, 4096],
    },
    paper: {
      seed: 1,
      tokens: 16_384,
      headDims: [8, 16, 32, 64, 128],
      lengths: [1000, 4000, 16_000, 64_000, 250_000, 1_000_000],
      headDim: 32,
      crowds: [4, 16, 64, 256, 1024, 4096, 16_384],
    },
  },
  tasks: ({ seed, tokens, headDims, lengths, headDim, crowds }): Task<NumericsValue>[] => [
    ...headDims.flatMap((width) =>
      normalizations.map((normalize) => ({
        key: keys.denominators(normalize, width),
        weight: (tokens * width ** 2) / 1e6,
        run: (context: TaskContext) =>
          onBackend(context, (backend) => measureDenominators(backend, { normalize, headDim: width, tokens, seed })),
      })),
    ),
    ...lengths.map((length) => ({
      key: keys.length(length),
      weight: (length * headDim ** 2) / 1e6,
      run: (context: TaskContext) =>
        onBackend(context, (backend) => measureLength(backend, { tokens: length, headDim, seed })),
    })),
    { key: keys.printed, run: async () => measurePrinted({ seed, tokens: 48 }) },
    ...crowds.map((crowd) => ({
      key: keys.sharpness(crowd),
      weight: 0.1,
      run: async () => measureSharpness({ tokens: crowd, headDim: 32, seed }),
    })),
  ],
  write: writeNumerics,
};
