import { fixed, formatBytes, formatInteger, formatSeconds, significant } from '../frame/format.ts';
import type { Section } from '../frame/section.ts';
import { drawLines } from '../plot/draw.ts';
import { type Fit, fitSlope } from './fit.ts';
import { isMissing, type Measured, type Outcome, type Pass, type Point } from './measure.ts';
import { type Method, methods } from './methods/index.ts';
import type { ScalingSettings } from './settings.ts';
import { pointKey } from './settings.ts';

type Grows = 'N' | 'D';
type Quantity = 'seconds' | 'peakBytes';

/** The outcomes of a method in the order of the sizes. */
interface Sizes {
  readonly grows: Grows;
  readonly xs: readonly number[];
  outcome(method: Method, x: number, pass: Pass): Outcome;
}

const tolerance = 0.05;

export async function writeScaling(
  section: Section,
  settings: ScalingSettings,
  values: ReadonlyMap<string, Point>,
  grows: Grows,
): Promise<void> {
  const { tokens, headDims } = settings;
  const sizes: Sizes = {
    grows,
    xs: grows === 'N' ? tokens : headDims,
    outcome: ({ name }, x, pass) =>
      values.get(
        pointKey(name, grows === 'N' ? { tokens: x, headDim: headDims[0] } : { tokens: tokens[0], headDim: x }),
      )![pass],
  };
  describe(section, settings, grows);
  await drawFigures(section, sizes);
  writeTable(section, sizes);
  writeParts(section, sizes);
  writeMissing(section, sizes);
  writeSlopes(section, sizes);
  compare(section, sizes);
  writeSaved(section, sizes, settings);
}

function describe(section: Section, settings: ScalingSettings, grows: Grows): void {
  const { batch, heads, tokens, headDims, memoryBudget, timeLimit, clock } = settings;
  const fixed = grows === 'N' ? `D = ${headDims[0]}` : `N = ${formatInteger(tokens[0])}`;
  section.text(
    `One layer's causal attention, B = ${batch}, H = ${heads}, ${fixed}, f(x) = 1 + x on normalised q and k for the linear methods. ` +
      `Four ways: *linattn* (this library's operation, with its analytic gradient), *kernel separation* (the same attention by explicit ` +
      `features under autodiff, which saves the running sums Σ kwᵀ of every position), *softmax, tiled* (FlashAttention's algorithm: ` +
      `the backend's kernel where it has one, else composed) and *softmax, full* (the N × N matrix of weights, saved). ` +
      `Autodiff's two are made to hold no more than they must: one copy of what is saved, and its gradient.`,
  );
  section.text(
    `Memory is what tensors hold at most (the backend's own count after every operation), inputs and gradients included; kernels' ` +
      `scratch is not in it. ✕ marks where ${formatBytes(memoryBudget)} do not suffice (\`--memory-budget\`); passes foreseen to take ` +
      `over ${timeLimit} s are left out (\`--time-limit\`). Times are the best of up to seven runs after a first` +
      (clock === 'processor'
        ? ', in processor time (of all threads together, whatever else the machine did meanwhile).'
        : ', by the clock on the wall.'),
  );
}

const names = methods.map(({ name }) => name);

async function drawFigures(section: Section, sizes: Sizes): Promise<void> {
  const { grows, xs, outcome } = sizes;
  const label = grows === 'N' ? 'tokens N' : 'features of a head D';
  const draw = async (file: string, pass: Pass, quantity: Quantity, title: string, unit: string, caption: string) => {
    const points = methods.flatMap((method) =>
      xs.flatMap((x) => {
        const found = outcome(method, x, pass);
        return isMissing(found)
          ? []
          : [{ series: method.name, x, y: found[quantity] / (quantity === 'peakBytes' ? 2 ** 20 : 1) }];
      }),
    );
    const failures = methods.flatMap((method) => {
      const x = xs.find((each) => {
        const found = outcome(method, each, pass);
        return isMissing(found) && found.missing !== 'time';
      });
      return x === undefined ? [] : [{ series: method.name, x }];
    });
    const svg = await drawLines({
      title,
      unit,
      series: names,
      points,
      failures,
      // Its memory is that of linattn.
      dashed: ['softmax, tiled'],
      x: { label, type: 'log', ticks: xs, tickFormat: formatSize },
      y: { type: 'log', tickFormat: (value) => significant(value, 1) },
    });
    section.figure(file, svg, caption);
  };
  await draw(
    'time.svg',
    'both',
    'seconds',
    `Time, forward and backward, against ${grows}`,
    'seconds',
    `Time of forward and backward against ${grows}. ✕: does not fit the memory, or the backend cannot.`,
  );
  await draw(
    'time-forward.svg',
    'forward',
    'seconds',
    `Time, forward, against ${grows}`,
    'seconds',
    `Time of the forward pass against ${grows}.`,
  );
  await draw(
    'memory.svg',
    'both',
    'peakBytes',
    `Peak memory, forward and backward, against ${grows}`,
    'MiB',
    `Peak memory of forward and backward against ${grows}.`,
  );
}

const formatSize = (size: number): string =>
  size >= 1024 && size % 1024 === 0
    ? `${size / 1024}Ki`
    : size >= 1000 && size % 1000 === 0
      ? `${size / 1000}k`
      : String(size);

function writeTable(section: Section, { grows, xs, outcome }: Sizes): void {
  section.heading('Numbers');
  section.text('Time forward · time of both · peak memory of both.');
  const cell = (found: Outcome, of: (measured: Measured) => string) =>
    isMissing(found) ? { memory: '✕', backend: '✕', time: '–' }[found.missing] : of(found);
  section.table(
    [grows, ...names],
    xs.map((x) => [
      formatInteger(x),
      ...methods.map((method) => {
        const [forward, both] = [outcome(method, x, 'forward'), outcome(method, x, 'both')];
        return [
          cell(forward, ({ seconds }) => formatSeconds(seconds)),
          cell(both, ({ seconds }) => formatSeconds(seconds)),
          cell(both, ({ peakBytes }) => formatBytes(peakBytes)),
        ].join(' · ');
      }),
    ]),
  );
}

/** Says where a batch was more than one tensor. */
function writeParts(section: Section, { grows, xs, outcome }: Sizes): void {
  const lines = methods.flatMap((method) => {
    const found = xs.flatMap((x) => {
      const both = outcome(method, x, 'both');
      return !isMissing(both) && both.parts ? [`${both.parts} at ${grows} = ${formatInteger(x)}`] : [];
    });
    return found.length > 0 ? [`*${method.name}*: ${found.join(', ')}`] : [];
  });
  if (lines.length === 0) return;
  section.text(
    `A tensor of this backend holds less than the whole batch there, which then is several tensors, all of them in memory at once ` +
      `(forward and backward): ${lines.join('; ')}.`,
  );
}

/** Says, once a method and pass, where it ends and why. */
function writeMissing(section: Section, { grows, xs, outcome }: Sizes): void {
  const lines = methods.flatMap((method) =>
    (['forward', 'both'] as const).flatMap((pass) => {
      const x = xs.find((each) => isMissing(outcome(method, each, pass)));
      if (x === undefined) return [];
      const { reason } = outcome(method, x, pass) as { reason: string };
      return [
        `- *${method.name}*, ${pass === 'both' ? 'forward and backward' : pass}, from ${grows} = ${formatInteger(x)} on: ${reason}`,
      ];
    }),
  );
  if (lines.length > 0) section.text(['What is missing, and why:', '', ...lines].join('\n'));
}

interface Slopes {
  readonly method: Method;
  readonly forward?: Fit;
  readonly both?: Fit;
  readonly memory?: Fit;
}

function slopesOf({ xs, outcome }: Sizes, method: Method): Slopes {
  const fit = (pass: Pass, quantity: Quantity) =>
    fitSlope(
      xs.flatMap((x) => {
        const found = outcome(method, x, pass);
        return isMissing(found) ? [] : [{ x, y: found[quantity] }];
      }),
    );
  return { method, forward: fit('forward', 'seconds'), both: fit('both', 'seconds'), memory: fit('both', 'peakBytes') };
}

function writeSlopes(section: Section, sizes: Sizes): void {
  const { grows } = sizes;
  const all = methods.map((method) => slopesOf(sizes, method));
  section.heading('Slopes');
  section.text(
    `Exponents of ${grows}, fitted over the larger sizes of each method (the range is given); in brackets what the algorithm has for large ${grows}.`,
  );
  const cell = (fit: Fit | undefined, expected: number) =>
    fit ? `${fixed(fit.slope, 2)} (${expected}), ${formatSize(fit.from)}–${formatSize(fit.to)}` : `– (${expected})`;
  section.table(
    ['', 'time, forward', 'time, both', 'memory, both'],
    all.map(({ method, forward, both, memory }) => {
      const { time, memory: bytes } = method.expected[grows];
      return [method.name, cell(forward, time), cell(both, time), cell(memory, bytes)];
    }),
  );
  section.derive('slopes', Object.fromEntries(all.map(({ method, ...fits }) => [method.name, fits])));
  const [own] = all;
  const { time, memory } = own.method.expected[grows];
  if (own.both && own.memory) {
    const near = (fit: Fit, expected: number) => Math.abs(fit.slope - expected) <= tolerance;
    const holds = near(own.memory, memory) && near(own.both, time);
    section.finding(
      holds ? 'agrees' : 'adds',
      `linattn's memory grows as ${grows}^${fixed(own.memory.slope, 3)} and its time as ${grows}^${fixed(own.both.slope, 2)} here; the paper ` +
        `says ${grows}^${memory} and ${grows}^${time}.` +
        (holds
          ? ''
          : ` Time differs from its exponent by ${fixed(own.both.slope - time, 2)}, memory by ${fixed(own.memory.slope - memory, 3)}.`),
    );
  }
}

/** What the others take beside linattn, at the largest size that each of them reached. */
function compare(section: Section, { grows, xs, outcome }: Sizes): void {
  const [own, ...others] = methods;
  const lines = others.flatMap((method) => {
    const both = (x: number) => [outcome(method, x, 'both'), outcome(own, x, 'both')] as const;
    const x = xs.findLast((each) => !both(each).some(isMissing));
    if (x === undefined) return [];
    const [theirs, ours] = both(x) as readonly [Measured, Measured];
    const times = (ratio: number) => `${significant(ratio, 2)} times`;
    return [
      `*${method.name}* at ${grows} = ${formatInteger(x)}: ${times(theirs.seconds / ours.seconds)} the time and ` +
        `${times(theirs.peakBytes / ours.peakBytes)} the memory`,
    ];
  });
  if (lines.length > 0) {
    section.text(
      `Forward and backward, beside linattn, at the largest ${grows} that each reached: ${lines.join('; ')}.`,
    );
  }
}

/** Numbers saved for backward, by N·D of one head. */
function writeSaved(
  section: Section,
  { grows, xs, outcome }: Sizes,
  { batch, heads, tokens, headDims }: ScalingSettings,
): void {
  section.heading('What is saved for backward');
  section.text(
    'In numbers a token, head and feature (N·D of a head is 1). The algorithm of this library saves q, k, v, o and g: 4 + 1/D.',
  );
  const per = (x: number) => batch * heads * (grows === 'N' ? x * headDims[0] : tokens[0] * x);
  section.table(
    [grows, ...names],
    xs.map((x) => [
      formatInteger(x),
      ...methods.map((method) => {
        const found = outcome(method, x, 'both');
        return isMissing(found) || found.savedElements === undefined
          ? '–'
          : significant(found.savedElements / per(x), 4);
      }),
    ]),
  );
}
