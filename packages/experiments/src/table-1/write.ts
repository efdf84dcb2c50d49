import { formatInteger } from '../frame/format.ts';
import type { Section } from '../frame/section.ts';
import { arena, type Cell, findColumn, type NotRun } from './columns.ts';
import { drawRows } from './figure.ts';
import { cellKey, type Table1Settings } from './settings.ts';
import { published, type Variant, variants } from './variants.ts';

type Values = ReadonlyMap<string, Cell | NotRun>;

type Cells = (column: string, variant: Variant) => Cell[];

/** Columns of the published table that cannot be run. */
const whyNot: Readonly<Record<string, string>> = {
  Retrieval: 'not run; its articles (AAN) are not free. *Same film* stands in for it.',
};

const mean = (x: readonly number[]): number => x.reduce((sum, value) => sum + value, 0) / x.length;
const deviation = (x: readonly number[]): number =>
  x.length < 2 ? 0 : Math.sqrt(x.reduce((sum, value) => sum + (value - mean(x)) ** 2, 0) / (x.length - 1));

export async function writeTable1(section: Section, settings: Table1Settings, values: Values): Promise<void> {
  const { seeds, seed, dropout, columns } = settings;
  const names = [...new Set([...Object.keys(columns), ...arena])];
  const outcomes = (column: string, variant: Variant): (Cell | NotRun)[] =>
    Array.from({ length: seeds }, (_, i) => values.get(cellKey(column, variant, seed + i))).filter(
      (cell) => cell !== undefined,
    );
  const cells: Cells = (column, variant) => outcomes(column, variant).filter((cell) => 'score' in cell);
  const run = Object.keys(columns).filter((name) => cells(name, variants[0]).length > 0);
  const show = (column: string, found: readonly number[]) =>
    findColumn(column).unit === 'accuracy'
      ? `${(100 * mean(found)).toFixed(1)} ± ${(100 * deviation(found)).toFixed(1)}`
      : `${mean(found).toFixed(3)} ± ${deviation(found).toFixed(3)}`;
  section.text(
    `Two layers of 64 features with two heads (rotary positions; classifiers see both ways and average over tokens), with each mode of ` +
      `dropout's replacement at rate ${dropout} falling to 0. Mean ± standard deviation over ${seeds} seeds: of parameters, order of the ` +
      'data and noise; the examples are the same. TinyStories in nats a character (lower is better), the others in per cent right.',
  );
  section.table(
    ['', ...names],
    [
      ...variants.map((variant) => [
        variant.name,
        ...names.map((name) => {
          const found = cells(name, variant);
          return found.length === 0
            ? 'not run'
            : show(
                name,
                found.map(({ score }) => score),
              );
        }),
      ]),
      [
        '*knowing only frequencies*',
        ...names.map((name) => {
          const [first] = cells(name, variants[0]);
          if (!first) return '–';
          return findColumn(name).unit === 'accuracy' ? (100 * first.trivial).toFixed(1) : first.trivial.toFixed(3);
        }),
      ],
      ...Object.entries(published).map(([name, scores]) => [
        `published: ${name}`,
        ...names.map((column) => scores[arena.indexOf(column as (typeof arena)[number])]?.toFixed(2) ?? '–'),
      ]),
    ],
  );
  section.text(
    names
      .map((name) => {
        const [first] = outcomes(name, variants[0]);
        if (!first) return `- *${name}*: ${whyNot[name] ?? 'not run at this scale.'}`;
        if ('missing' in first) return `- *${name}*: not run, ${first.missing}.`;
        const { steps, batchSize, seqLen, learningRate } = columns[name];
        return `- *${name}*: ${first.note}; ${formatInteger(steps)} steps of ${batchSize} rows, at most ${formatInteger(seqLen)} tokens each, learning rate ${learningRate}.`;
      })
      .join('\n'),
  );
  for (const name of run) {
    const inPercent = findColumn(name).unit === 'accuracy';
    const rows = variants.map((variant) => ({
      name: variant.name.replaceAll('`', ''),
      scores: cells(name, variant).map(({ score }) => (inPercent ? 100 * score : score)),
    }));
    const unit = inPercent
      ? 'per cent right, a dot a seed, a bar at the mean'
      : 'nats a character, a dot a seed, a bar at the mean';
    const svg = await drawRows(name, unit, rows);
    section.figure(`${name.toLowerCase()}.svg`, svg, `${name}: every seed's result.`);
  }
  writeFindings(section, run, seeds, cells);
}

function writeFindings(section: Section, run: readonly string[], seeds: number, cells: Cells): void {
  for (const name of run) {
    const scores = variants.map((variant) => ({ variant, found: cells(name, variant).map(({ score }) => score) }));
    section.derive(
      name,
      Object.fromEntries(
        scores.map(({ variant, found }) => [variant.name, { mean: mean(found), deviation: deviation(found) }]),
      ),
    );
    const without = (attention: string) =>
      scores.find(({ variant }) => variant.attention === attention && variant.dropout === 'none')!;
    // The spread of a difference of two means over the seeds.
    const sign = findColumn(name).unit === 'accuracy' ? 1 : -1;
    const told = scores.flatMap(({ variant, found }) => {
      const base = without(variant.attention);
      const change = mean(found) - mean(base.found);
      const spread = Math.hypot(deviation(found), deviation(base.found)) / Math.sqrt(seeds);
      return Math.abs(change) > 2 * spread ? [`${variant.name} ${sign * change > 0 ? 'better' : 'worse'}`] : [];
    });
    section.finding(
      'adds',
      `*${name}*: compared with the same attention without dropout, by more than twice the standard error of the difference: ` +
        `${told.length > 0 ? told.join(', ') : 'nothing'}. So short a training does not overfit, and dropout is for when it does: this says ` +
        'what the modes cost, not what they are for.',
    );
  }
}
