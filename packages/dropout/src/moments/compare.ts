import type { Backend } from '@linattn/math';
import { type DropoutMode, dropoutModes } from '../options.ts';
import { measureNoise } from './measure.ts';
import { type AttentionProblem, explicitAttention, randomProblem } from './problem.ts';
import { sampleDropout } from './real-dropout.ts';
import type { SampleMoments } from './sample.ts';

/** What `compareWithDropout` draws: sizes, rate, number of draws. */
export interface ComparisonSettings {
  readonly tokens: number;
  readonly headDim: number;
  /** Heads of random q, k, v that are put together. */
  readonly heads: number;
  /** Draws a head and mode. */
  readonly draws: number;
  readonly seed: number;
}

/** How the output at one position is spread. */
export interface ComparisonRow {
  /** Slope of E[o] on õ: 1 where the mean is kept. */
  readonly mean: number;
  /** Variance, mean over features. */
  readonly variance: number;
  /** Distance of the variances' shares of the features from real dropout's, relative to these. */
  readonly profile: number;
  /** Correlation with the noise of the query before; undefined where that has none. */
  readonly correlation?: number;
}

/** Real dropout, or one of the modes. */
export type ComparisonColumn = 'real' | DropoutMode;
/** The columns of a comparison, in order: real dropout first. */
export const comparisonColumns: readonly ComparisonColumn[] = ['real', ...dropoutModes];

interface Measured {
  readonly output: Float64Array;
  readonly moments: SampleMoments;
}

const total = (x: ArrayLike<number>): number => Array.from(x).reduce((sum, value) => sum + value, 0);
const norm = (x: readonly number[]): number => Math.hypot(...x);

/** Moments of real dropout and of every mode, at one rate, for values shifted by `shift`; then rows by position (from 1). */
export async function compareWithDropout(
  backend: Backend,
  { tokens, headDim, heads, draws, seed }: ComparisonSettings,
  shift: number,
  rate: number,
): Promise<(column: ComparisonColumn, position: number) => ComparisonRow> {
  const problems = Array.from({ length: heads }, (_, head) =>
    randomProblem({ tokens, headDim, shift, seed: seed + head }),
  );
  const moments = new Map<ComparisonColumn, Measured[]>();
  for (const column of comparisonColumns) {
    const run = async (problem: AttentionProblem, head: number): Promise<Measured> => ({
      output: explicitAttention(problem).output,
      moments:
        column === 'real'
          ? sampleDropout(problem, rate, draws, seed + 1000 + head)
          : await measureNoise(backend, problem, { mode: column, rate, seed: seed + 2000 + head }, draws),
    });
    const all: Measured[] = [];
    for (const [head, problem] of problems.entries()) all.push(await run(problem, head));
    moments.set(column, all);
  }
  /** One number an output feature of every head, at a position. */
  const at = (column: ComparisonColumn, position: number, of: (measured: Measured) => Float64Array): number[] =>
    moments
      .get(column)!
      .flatMap((measured) => Array.from(of(measured).subarray((position - 1) * headDim, position * headDim)));
  const shares = (variances: readonly number[]): number[] => variances.map((variance) => variance / total(variances));
  return (column, position) => {
    const output = at(column, position, (measured) => measured.output);
    const means = at(column, position, (measured) => measured.moments.mean);
    const variances = at(column, position, (measured) => measured.moments.variance);
    const real = shares(at('real', position, (measured) => measured.moments.variance));
    const before = total(position > 1 ? at(column, position - 1, (measured) => measured.moments.variance) : []);
    const covariance = at(column, position, (measured) => measured.moments.neighbourCovariance);
    return {
      mean: total(means.map((mean, i) => mean * output[i])) / total(output.map((o) => o * o)),
      variance: total(variances) / variances.length,
      profile: norm(shares(variances).map((share, i) => share - real[i])) / norm(real),
      // One key leaves nothing to drop: what is left then is rounding.
      correlation:
        before > 1e-9 * total(variances) ? total(covariance) / Math.sqrt(total(variances) * before) : undefined,
    };
  };
}
