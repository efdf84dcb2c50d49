import type { Experiment, Settings, Task, TaskContext } from '../frame/experiment.ts';
import { type Denominators, measureDenominators } from './denominators.ts';
import type { Normalize } from './inputs.ts';
import { type LengthErrors, measureLength } from './length.ts';
import { measurePrinted, type PrintedErrors } from './printed.ts';
import { measureSharpness, type Sharpness } from './sharpness.ts';
import { writeNumerics } from './write.ts';

export interface NumericsSettings extends Settings {
  /** Of the denominators. */
  readonly tokens: number;
  readonly headDims: readonly number[];
  readonly lengths: readonly number[];
  /** Where lengths differ. */
  readonly headDim: number;
  /** Tokens among which one is to be picked out. */
  readonly crowds: readonly number[];
}

export type NumericsValue = Denominators | LengthErrors | PrintedErrors | Sharpness;

export const keys = {
  denominators: (normalize: Normalize, headDim: number) => `denominators, normalize ${normalize}, D ${headDim}`,
  length: (tokens: number) => `error at N ${tokens}`,
  printed: 'equations as printed',
  sharpness: (tokens: number) => `one token among ${tokens}`,
};

export const normalizations: readonly Normalize[] = ['none', 'l2'];

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
