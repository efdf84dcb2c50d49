import { parseArgs } from 'node:util';
import { dropoutModes } from '@linattn/dropout';
import {
  type ComparisonColumn,
  type ComparisonRow,
  type ComparisonSettings,
  compareWithDropout,
} from '@linattn/dropout/moments';
import { float64Backend } from '@linattn/math/float64';

// Mean and variance of every mode of @linattn/dropout beside real attention dropout, by position and rate, as Markdown.

const { values } = parseArgs({
  options: {
    tokens: { type: 'string', default: '64' },
    'head-dim': { type: 'string', default: '8' },
    heads: { type: 'string', default: '2' },
    draws: { type: 'string', default: '4000' },
    seed: { type: 'string', default: '1' },
    rates: { type: 'string', default: '0.1,0.3' },
    shifts: { type: 'string', default: '0,1' },
    positions: { type: 'string', default: '2,4,16,64' },
  },
});

const numbers = (text: string): number[] => text.split(',').map(Number);
const settings: ComparisonSettings = {
  tokens: Number(values.tokens),
  headDim: Number(values['head-dim']),
  heads: Number(values.heads),
  draws: Number(values.draws),
  seed: Number(values.seed),
};
const [rates, shifts, positions] = [values.rates, values.shifts, values.positions].map(numbers);
for (const position of positions) {
  if (!(Number.isInteger(position) && position >= 2 && position <= settings.tokens)) {
    throw new RangeError(`positions: expected integers from 2 to ${settings.tokens} (--tokens), given ${position}`);
  }
}

interface Line {
  readonly name: string;
  readonly row: (column: ComparisonColumn) => ComparisonRow;
}

const backend = float64Backend();
const lines: Line[] = [];
for (const shift of shifts) {
  for (const rate of rates) {
    process.stderr.write(`values around ${shift}, rate ${rate} …\n`);
    const rowOf = await compareWithDropout(backend, settings, shift, rate);
    for (const position of positions) {
      lines.push({ name: `| ${shift} | ${rate} | ${position} |`, row: (column) => rowOf(column, position) });
    }
  }
}
await backend.dispose();

const heading = (names: readonly string[]): string =>
  `| ${names.join(' | ')} |\n|${names.map((_, i) => (i < 3 ? '---:|' : ':---:|')).join('')}`;
const fixed = (x?: number): string => x?.toFixed(2).replace(/^-(0\.0*)$/, '$1') ?? '–';

const { tokens, headDim, heads, draws } = settings;
const modes = dropoutModes;
console.log(
  `Causal attention, N = ${tokens}, D = ${headDim}, ${heads} heads of normal q, k and v, ${draws} draws a head (float64).\n`,
);
console.log('Mean (slope of E[o] on õ) · variance; in the modes, relative to that of real dropout.\n');
console.log(heading(['values around', 'rate p', 'position', 'real dropout', ...modes]));
for (const { name, row } of lines) {
  const real = row('real');
  const cells = modes.map((mode) => `${fixed(row(mode).mean)} · ${fixed(row(mode).variance / real.variance)}`);
  console.log(`${name} ${[`${fixed(real.mean)} · ${real.variance.toPrecision(3)}`, ...cells].join(' | ')} |`);
}
console.log(
  '\nHow the variance is shared between features (relative distance from real dropout; sampling alone gives a few' +
    ' hundredths) · correlation with the noise of the query before.\n',
);
console.log(heading(['values around', 'rate p', 'position', 'real dropout', ...modes]));
for (const { name, row } of lines) {
  const cells = modes.map((mode) => `${fixed(row(mode).profile)} · ${fixed(row(mode).correlation)}`);
  console.log(`${name} ${[`– · ${fixed(row('real').correlation)}`, ...cells].join(' | ')} |`);
}
