import type { DropoutMode } from '@linattn/dropout';
import { dropoutModes } from '@linattn/dropout';
import {
  type ComparisonColumn,
  type ComparisonRow,
  compareWithDropout,
  comparisonColumns,
} from '@linattn/dropout/moments';
import type { Experiment, Settings, Task } from '../frame/experiment.ts';
import { fixed, significant } from '../frame/format.ts';
import type { Section } from '../frame/section.ts';
import { drawLines } from '../plot/draw.ts';

interface MomentsSettings extends Settings {
  readonly tokens: number;
  readonly headDim: number;
  readonly heads: number;
  /** Draws a head and mode. */
  readonly draws: number;
  readonly rates: readonly number[];
  /** Added to all values. */
  readonly shifts: readonly number[];
  readonly positions: readonly number[];
}

interface Line extends ComparisonRow {
  readonly column: ComparisonColumn;
  readonly position: number;
}

const taskKey = (shift: number, rate: number): string => `values around ${shift}, rate ${rate}`;

const common = { seed: 1, headDim: 8, heads: 2, shifts: [0, 1] } as const;

/** Mean and variance of every mode of dropout's replacement beside those of real dropout, by position and by rate. */
export const dropoutMoments: Experiment<MomentsSettings, readonly Line[]> = {
  name: 'dropout-moments',
  title: 'Moments of dropout’s replacement',
  scales: {
    smoke: { ...common, tokens: 8, draws: 200, rates: [0.1, 0.3], positions: [2, 8] },
    laptop: { ...common, tokens: 128, draws: 4000, rates: [0.1, 0.2, 0.4], positions: [2, 4, 8, 16, 32, 64, 128] },
    paper: {
      ...common,
      heads: 4,
      tokens: 256,
      draws: 20_000,
      rates: [0.05, 0.1, 0.2, 0.3, 0.4],
      positions: [2, 4, 8, 16, 32, 64, 128, 256],
    },
  },
  tasks: (settings) =>
    settings.shifts.flatMap((shift) =>
      settings.rates.map(
        (rate): Task<readonly Line[]> => ({
          key: taskKey(shift, rate),
          run: async ({ openBackend }) => {
            const backend = await openBackend();
            try {
              const rowOf = await compareWithDropout(backend, settings, shift, rate);
              return comparisonColumns.flatMap((column) =>
                settings.positions.map((position) => ({ column, position, ...rowOf(column, position) })),
              );
            } finally {
              await backend.dispose();
            }
          },
        }),
      ),
    ),
  write: async (section, settings, values) => {
    const { tokens, headDim, heads, draws, rates, shifts, positions } = settings;
    const at = (shift: number, rate: number, column: ComparisonColumn, position: number): Line =>
      values.get(taskKey(shift, rate))!.find((line) => line.column === column && line.position === position)!;
    section.text(
      `The paper replaces dropout of attention weights, which linear attention cannot do, by noise on its output, o = (1−p) õ (1 + ψ) ` +
        `with ψ of variance p (its Eq 28). Here each mode of the replacement is held against real dropout: weights dropped one by one ` +
        `and what is left renormalised. Causal attention, f(x) = 1 + x on normalised q and k, N = ${tokens}, D = ${headDim}, ${heads} heads ` +
        `of normal q, k and v, ${draws} draws a head. Values are shifted by 0 or 1: with values around 1 the output keeps a mean, as ` +
        `trained models' values do.`,
    );
    const ratio = (shift: number, rate: number, mode: DropoutMode, position: number): number =>
      at(shift, rate, mode, position).variance / at(shift, rate, 'real', position).variance;
    const rate = rates[Math.min(1, rates.length - 1)];
    for (const shift of shifts) {
      section.figure(
        `variance-${shift}.svg`,
        await drawLines({
          title: `Variance beside real dropout's, values around ${shift}, p = ${rate}`,
          unit: 'variance / variance of real dropout',
          series: dropoutModes,
          points: dropoutModes.flatMap((mode) =>
            positions.map((position) => ({ series: mode, x: position, y: ratio(shift, rate, mode, position) })),
          ),
          x: { label: 'position', type: 'log', base: 2, ticks: positions, tickFormat: String },
          y: { type: 'log', tickFormat: (value) => significant(value, 1) },
          reference: { y: 1, label: 'real dropout' },
        }),
        `Variance of the output under each mode, relative to real dropout, by position (values around ${shift}, p = ${rate}). 1 is right.`,
      );
    }
    writeTables(section, settings, at, ratio);
    writeFindings(section, settings, at, ratio);
  },
};

type At = (shift: number, rate: number, column: ComparisonColumn, position: number) => Line;
type Ratio = (shift: number, rate: number, mode: DropoutMode, position: number) => number;

function writeTables(section: Section, { shifts, rates, positions }: MomentsSettings, at: At, ratio: Ratio): void {
  const last = positions.at(-1)!;
  section.heading(`By rate, at position ${last}`);
  section.text('Mean (slope of E[o] on õ; 1 keeps it) · variance (in the modes, relative to real dropout’s).');
  section.table(
    ['values around', 'p', 'real dropout', ...dropoutModes],
    shifts.flatMap((shift) =>
      rates.map((rate) => {
        const real = at(shift, rate, 'real', last);
        return [
          String(shift),
          String(rate),
          `${real.mean.toFixed(2)} · ${significant(real.variance)}`,
          ...dropoutModes.map(
            (mode) => `${at(shift, rate, mode, last).mean.toFixed(2)} · ${significant(ratio(shift, rate, mode, last))}`,
          ),
        ];
      }),
    ),
    0,
  );
  section.heading(`By position, p = ${rates.at(-1)}`);
  section.text(
    'Variance relative to real dropout’s · how far its distribution over the features is from real dropout’s (sampling alone gives ' +
      'a few hundredths) · correlation with the noise of the query before (real dropout has none).',
  );
  section.table(
    ['values around', 'position', ...dropoutModes],
    shifts.flatMap((shift) =>
      positions.map((position) => [
        String(shift),
        String(position),
        ...dropoutModes.map((mode) => {
          const { profile, correlation } = at(shift, rates.at(-1)!, mode, position);
          const parts = [significant(ratio(shift, rates.at(-1)!, mode, position)), profile.toFixed(2)];
          return [...parts, correlation === undefined ? '–' : fixed(correlation, 2)].join(' · ');
        }),
      ]),
    ),
    0,
  );
}

function writeFindings(section: Section, settings: MomentsSettings, at: At, ratio: Ratio): void {
  const { shifts, rates, positions } = settings;
  const last = positions.at(-1)!;
  const all = (mode: DropoutMode) =>
    shifts.flatMap((shift) => rates.flatMap((rate) => positions.map((position) => ratio(shift, rate, mode, position))));
  const span = (mode: DropoutMode) => {
    const found = all(mode);
    return `${significant(Math.min(...found), 2)} to ${significant(Math.max(...found), 2)}`;
  };
  const means = (column: ComparisonColumn) =>
    rates.map((rate) => `${at(1, rate, column, last).mean.toFixed(2)} at p = ${rate}`).join(', ');
  section.derive('varianceRatios', Object.fromEntries(dropoutModes.map((mode) => [mode, all(mode)])));
  section.finding(
    'contradicts',
    `Eq 28 does not have dropout's moments. Real dropout keeps the mean (${means('real')} of õ), Eq 28 shrinks it (${means('paper')}). ` +
      `Its variance is ${span('paper')} times real dropout's, depending on position, rate and the values' mean: it is proportional to ` +
      `õ², while real dropout's is p/(1−p) Σ a² (v − o)², which falls with the position whatever õ is.`,
  );
  section.finding(
    'adds',
    `Two modes of the same O(N D²) cost do better: \`keys\` (one mask a key and head, shared by the queries) has ${span('keys')} times real ` +
      `dropout's variance, \`matched\` (noise of real dropout's first-order covariance) ${span('matched')} times; both keep the mean. ` +
      'What `keys` does not keep is independence between queries: see the correlations.',
  );
}
