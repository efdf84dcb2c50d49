import { formatInteger, scientific, significant } from '../frame/format.ts';
import type { Section } from '../frame/section.ts';
import { drawLines } from '../plot/draw.ts';
import type { Denominators } from './denominators.ts';
import type { Errors } from './inputs.ts';
import type { LengthErrors } from './length.ts';
import type { PrintedErrors } from './printed.ts';
import { keys, type NumericsSettings, type NumericsValue, normalizations } from './settings.ts';
import type { Sharpness } from './sharpness.ts';

type Values = ReadonlyMap<string, NumericsValue>;
const quantities = ['o', 'dq', 'dk', 'dv'] as const satisfies readonly (keyof Errors)[];
const percent = (share: number): string => `${(100 * share).toFixed(1)}%`;

export async function writeNumerics(section: Section, settings: NumericsSettings, values: Values): Promise<void> {
  section.text(
    'Is attention with f(x) = 1 + x an average at all, are its gradients those that the paper prints, and what does float32 do to it ' +
      'over a million tokens? Causal attention on normal q, k and v; errors are relative, |x − y| / |y| in the norm of the whole tensor, ' +
      'against float64.',
  );
  writeDenominators(section, settings, values);
  await writeLengths(section, settings, values);
  writePrinted(section, values);
  await writeSharpness(section, settings, values);
}

function writeDenominators(section: Section, { tokens, headDims }: NumericsSettings, values: Values): void {
  section.heading('What is divided by');
  const found = headDims.flatMap((headDim) =>
    normalizations.map((normalize) => values.get(keys.denominators(normalize, headDim)) as Denominators),
  );
  section.text(
    `f(x) = 1 + x is negative below −1, so g = Σ f(q·k) can be anything. Scaling q and k to one length r, r² = 0.95, bounds f from ` +
      `below by 0.05, and g_i by 0.05 i. N = ${formatInteger(tokens)}, four heads.`,
  );
  section.table(
    [
      'D',
      'q and k',
      'rows with g ≤ 0',
      'min g',
      'min |g|',
      'min g_i / i',
      'max |o|',
      ...quantities.map((name) => `error of ${name}`),
    ],
    found.map(({ headDim, normalize, notPositive, min, minSize, minMean, largestOutput, errors }) => [
      String(headDim),
      normalize === 'l2' ? 'normalised' : 'raw',
      percent(notPositive),
      significant(min),
      significant(minSize),
      significant(minMean),
      significant(largestOutput),
      ...quantities.map((name) => scientific(errors[name])),
    ]),
    2,
  );
  const [raw, normalised] = normalizations.map((normalize) => found.filter((each) => each.normalize === normalize));
  const worst = (of: readonly Denominators[]) =>
    Math.max(...of.flatMap(({ errors }) => quantities.map((name) => errors[name])));
  const shares = raw.map(({ notPositive }) => notPositive);
  section.derive('rowsNotPositive', Object.fromEntries(raw.map(({ headDim, notPositive }) => [headDim, notPositive])));
  section.finding(
    'adds',
    `Without normalisation ${percent(Math.min(...shares))} to ${percent(Math.max(...shares))} of the rows have g ≤ 0: their output is no ` +
      `average of values, and near zeros of g the gradient loses its digits (errors up to ${scientific(worst(raw))}). With it g_i / i is ` +
      `at least ${significant(Math.min(...normalised.map(({ minMean }) => minMean)))}, and errors are at most ${scientific(worst(normalised))}. ` +
      'Normalisation is no refinement: f = 1 + x needs it.',
  );
}

async function writeLengths(section: Section, { lengths, headDim }: NumericsSettings, values: Values): Promise<void> {
  const found = lengths.map((tokens) => values.get(keys.length(tokens)) as LengthErrors);
  const worst = Math.max(...found.flatMap(({ all }) => quantities.map((name) => all[name])));
  section.heading('Rounding over length');
  section.figure(
    'length.svg',
    await drawLines({
      title: `Error against float64 by length, D = ${headDim}`,
      unit: 'relative error',
      series: quantities,
      points: found.flatMap(({ tokens, all }) => quantities.map((name) => ({ series: name, x: tokens, y: all[name] }))),
      x: { label: 'tokens', type: 'log', tickFormat: formatTokens, ticks: lengths },
      y: { type: 'log', tickFormat: (value) => scientific(value, 0), domain: [1e-8, Math.max(2e-5, worst * 2)] },
      reference: { y: 1e-5, label: 'tolerance of the conformance kit' },
    }),
    'Relative error of output and gradients against float64, one head, normalised q and k.',
  );
  section.table(
    ['N', ...quantities.map((name) => `error of ${name}`), ...quantities.map((name) => `${name}, last tenth`)],
    found.map(({ tokens, all, last }) => [
      formatInteger(tokens),
      ...quantities.map((name) => scientific(all[name])),
      ...quantities.map((name) => scientific(last[name])),
    ]),
  );
  section.finding(
    'adds',
    `The largest error of a whole tensor up to N = ${formatInteger(lengths.at(-1)!)} is ${scientific(worst)}: ` +
      (worst <= 1e-5
        ? 'within 1e−5, the tolerance that every backend is held to at short lengths.'
        : 'over 1e−5, the tolerance that every backend is held to at short lengths.'),
  );
}

function writePrinted(section: Section, values: Values): void {
  const { corrected, withoutDenominator, doubledC, productVariance, draws } = values.get(keys.printed) as PrintedErrors;
  section.heading('The equations as printed');
  section.text(
    'Gradients along random directions, against central differences of the definition in float64 (N = 48, D = 8, normalised; for ' +
      'Eq 75 f = 1 + x + x²/2).',
  );
  section.table(
    ['', 'dq', 'dk', 'dv'],
    [
      [
        'with Ω̂ᵢ = dOᵢ / gᵢ (this library)',
        ...(['dq', 'dk', 'dv'] as const).map((name) => scientific(corrected[name])),
      ],
      [
        'Eqs 23–27 and 68–75: Ωᵢ, without 1 / gᵢ',
        ...(['dq', 'dk', 'dv'] as const).map((name) => scientific(withoutDenominator[name])),
      ],
      ['Eq 75: 2c in place of c', '–', '–', scientific(doubledC)],
    ],
  );
  section.finding(
    'contradicts',
    `Eqs 23–27 and 68–75 lose the factor 1/gᵢ: as printed they miss the gradient by ${significant(withoutDenominator.dq)}, ` +
      `${significant(withoutDenominator.dk)} and ${significant(withoutDenominator.dv)} times its size (dq, dk, dv). With it they agree ` +
      `with central differences to ${scientific(Math.max(...Object.values(corrected)))}, which is these differences' own accuracy. The ` +
      `2c of Eq 75 is c: as printed, dv is off by ${percent(doubledC)}.`,
  );
  section.finding(
    'contradicts',
    `Lemma 4.1 gives the product of two standard normals the variance 1/2. It is 1: ${productVariance.toFixed(3)} over ` +
      `${formatInteger(draws)} draws.`,
  );
}

async function writeSharpness(section: Section, { crowds }: NumericsSettings, values: Values): Promise<void> {
  const found = crowds.map((tokens) => values.get(keys.sharpness(tokens)) as Sharpness);
  section.heading('How much one token can weigh');
  const names = ['f = 1 + x, normalised: any query', 'f = x²: a query along the key', 'the average, 1/N'];
  section.figure(
    'sharpness.svg',
    await drawLines({
      title: 'The most that a query can make of one token among N',
      unit: 'attention weight',
      series: names,
      points: found.flatMap(({ tokens, linear, square }) =>
        [linear, square, 1 / tokens].map((y, i) => ({ series: names[i], x: tokens, y })),
      ),
      x: { label: 'tokens', type: 'log', tickFormat: formatTokens, ticks: crowds },
      y: { type: 'log', tickFormat: (value) => significant(value, 1) },
      reference: { y: 1, label: 'softmax, long queries' },
    }),
    'The largest attention weight of one token among N with random keys (D = 32); of f = 1 + x the exact maximum over all queries.',
  );
  section.table(
    ['N', 'largest weight, f = 1 + x', 'times N', 'worst of the draws, times N', 'f = x²', 'times N'],
    found.map(({ tokens, linear, linearLargest, square }) => [
      formatInteger(tokens),
      significant(linear),
      significant(linear * tokens),
      significant(linearLargest * tokens),
      significant(square),
      significant(square * tokens),
    ]),
  );
  const largest = found.at(-1)!;
  section.derive(
    'largestWeightTimesN',
    Object.fromEntries(found.map(({ tokens, linear }) => [tokens, linear * tokens])),
  );
  section.finding(
    'contradicts',
    `As a replacement of softmax, f = 1 + x with normalised q and k lacks what softmax is known for: attending to a token. Whatever the ` +
      `query, a token among ${formatInteger(largest.tokens)} with random keys gets at most ${significant(largest.linear * largest.tokens)} / N ` +
      `of the weight, about twice the plain average (f lies in [0.05, 1.95], and g is near N). Softmax can give one token all of it, and ` +
      `x² about D / N (${significant(largest.square * largest.tokens)} / N here). Selecting needs the quadratic term, another feature map, ` +
      'or layers that look at neighbours directly.',
  );
}

const formatTokens = (tokens: number): string =>
  tokens >= 1e6 ? `${tokens / 1e6}M` : tokens >= 1000 && tokens % 1000 === 0 ? `${tokens / 1000}k` : String(tokens);
