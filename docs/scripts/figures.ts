import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './repository.ts';

// The figures of the mathematics, drawn from the formulas. On white, so that they read in a dark page, too.

const ink = '#1f2937';
const soft = '#6b7280';
const grid = '#d1d5db';
const [blue, orange, green, pink] = ['#0072b2', '#d55e00', '#009e73', '#cc79a7'];

const svg = (width: number, height: number, title: string, body: readonly string[]): string =>
  [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-label="${title}"`,
    ` font-family="system-ui, sans-serif" font-size="13" fill="${ink}">`,
    `<rect width="${width}" height="${height}" rx="8" fill="white"/>`,
    ...body,
    '</svg>\n',
  ].join('\n');

const text = (x: number, y: number, words: string, more = ''): string =>
  `<text x="${x}" y="${y}" ${more}>${words}</text>`;
const middle = 'text-anchor="middle"';
const rect = (x: number, y: number, width: number, height: number, fill: string, more = ''): string =>
  `<rect x="${x}" y="${y}" width="${width}" height="${height}" fill="${fill}" ${more}/>`;
const line = (x1: number, y1: number, x2: number, y2: number, more = `stroke="${ink}"`): string =>
  `<line x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}" ${more}/>`;
const arrow = (x1: number, y1: number, x2: number, y2: number): string => {
  const angle = Math.atan2(y2 - y1, x2 - x1);
  const wing = (turn: number) => `${x2 - 8 * Math.cos(angle + turn)},${y2 - 8 * Math.sin(angle + turn)}`;
  return `${line(x1, y1, x2, y2)}<polygon points="${x2},${y2} ${wing(0.4)} ${wing(-0.4)}" fill="${ink}"/>`;
};

/** A square of N by N cells, coloured by a function of the row (query) and the column (key). */
function cells(x: number, y: number, count: number, size: number, fill: (i: number, n: number) => string): string {
  return Array.from({ length: count * count }, (_, at) => {
    const [i, n] = [Math.floor(at / count), at % count];
    return rect(x + n * size, y + i * size, size, size, fill(i, n), 'stroke="white"');
  }).join('');
}

/** All the weights that a causal mask leaves, beside the state that stands for the keys before. */
function maskAndState(): string {
  const [count, size, x, y] = [8, 26, 60, 70];
  const now = 5;
  const side = count * size;
  const right = 420;
  return svg(760, 340, 'Softmax needs every weight of the past; linear attention a state of fixed size', [
    text(x, 34, 'Softmax: token i asks every token before', 'font-weight="600"'),
    cells(x, y, count, size, (i, n) => (n > i ? '#f3f4f6' : i === now ? orange : '#bfdbee')),
    text(x + side / 2, y - 10, 'keys n', `${middle} fill="${soft}"`),
    text(
      x - 12,
      y + side / 2,
      'queries i',
      `text-anchor="middle" fill="${soft}" transform="rotate(-90 ${x - 12} ${y + side / 2})"`,
    ),
    text(x, y + side + 24, 'N (N + 1) / 2 weights: a token costs the', `fill="${soft}"`),
    text(x, y + side + 42, 'more the later it comes', `fill="${soft}"`),
    text(right, 34, 'Linear: the past is one matrix', 'font-weight="600"'),
    ...Array.from({ length: count }, (_, n) =>
      rect(right + n * 36, y, 30, 30, n < now ? '#bfdbee' : n === now ? orange : '#f3f4f6', 'rx="3"'),
    ),
    ...Array.from({ length: now + 1 }, (_, n) => arrow(right + n * 36 + 15, y + 32, right + 108, y + 88)),
    rect(right + 38, y + 92, 140, 84, green, 'rx="4"'),
    text(right + 108, y + 130, 'S = Σ ψ(k) [v, 1]ᵀ', `${middle} fill="white" font-weight="600"`),
    text(right + 108, y + 150, '(1 + D) × (D_v + 1)', `${middle} fill="white"`),
    arrow(right + 182, y + 134, right + 232, y + 134),
    text(right + 240, y + 130, 'ψ(q)ᵀ S'),
    text(right + 240, y + 148, '= [g o, g]'),
    text(right, y + side + 24, 'the same size after any number of tokens', `fill="${soft}"`),
  ]);
}

/** The triple product by chunks: masked blocks on the diagonal, everything left of them by way of the state. */
function chunkedProduct(): string {
  const [count, size, x, y, chunk] = [16, 15, 40, 64, 4];
  const side = count * size;
  const right = 350;
  const shade = (i: number, n: number) => {
    if (n > i) return '#f3f4f6';
    return Math.floor(n / chunk) === Math.floor(i / chunk) ? orange : '#a7dbcb';
  };
  const chunks = count / chunk;
  return svg(760, 380, 'The chunked triple product', [
    text(x, 34, 'T(x, y, z), tokens in chunks of C', 'font-weight="600"'),
    cells(x, y, count, size, shade),
    ...Array.from({ length: chunks + 1 }, (_, i) => [
      line(x, y + i * chunk * size, x + side, y + i * chunk * size, `stroke="${ink}" stroke-width="0.7"`),
      line(x + i * chunk * size, y, x + i * chunk * size, y + side, `stroke="${ink}" stroke-width="0.7"`),
    ]).flat(),
    rect(x, y + side + 16, 12, 12, orange),
    text(x + 18, y + side + 27, 'inside a chunk: C × C products, masked'),
    rect(x, y + side + 36, 12, 12, '#a7dbcb'),
    text(x + 18, y + side + 47, 'chunks before: only through the state'),
    text(right, 34, 'States at the chunks’ beginnings', 'font-weight="600"'),
    ...Array.from({ length: chunks }, (_, i) => {
      const top = y + i * chunk * size;
      const name = i === 0 ? 'S₀ (given, or 0)' : `S${'₀₁₂₃'[i]} = S${'₀₁₂₃'[i - 1]} + Σ y zᵀ of chunk ${i}`;
      return [
        rect(right, top + 10, 40, 40, i === 0 ? '#d1d5db' : green, 'rx="3"'),
        text(right + 58, top + 28, name),
        text(right + 58, top + 46, `chunk ${i + 1}: x S${'₀₁₂₃'[i]} + (x yᵀ ⊙ mask) z`, `fill="${soft}"`),
        i === 0 ? '' : arrow(right + 22, top - 10, right + 22, top + 6),
      ].join('');
    }),
    text(right, y + side + 27, 'N / C states of D × D_v numbers: O(N D) where C ≥ D.'),
    text(right, y + side + 47, 'Chunks are independent once the states are summed.'),
  ]);
}

/** What is kept for backward, from the cost table's formulas. */
function savedMemory(): string {
  const D = 64;
  const methods = [
    { name: 'softmax, full: N²', colour: pink, numbers: (N: number) => N * N },
    { name: 'kernel separation under autodiff: N D²', colour: orange, numbers: (N: number) => N * D * D },
    { name: 'linattn: 4 N D + N', colour: blue, numbers: (N: number) => 4 * N * D + N },
  ];
  const [left, top, width, height] = [76, 96, 640, 290];
  const [xs, ys] = [
    [8, 20],
    [-2, 14],
  ];
  const px = (N: number) => left + (width * (Math.log2(N) - xs[0])) / (xs[1] - xs[0]);
  const py = (mebibytes: number) => top + height - (height * (Math.log2(mebibytes) - ys[0])) / (ys[1] - ys[0]);
  const size = (power: number) =>
    power >= 10 ? `${2 ** (power - 10)} GiB` : power >= 0 ? `${2 ** power} MiB` : `${2 ** (power + 10)} KiB`;
  const tokens = (power: number) =>
    power >= 20 ? `${2 ** (power - 20)} Mi` : power >= 10 ? `${2 ** (power - 10)} Ki` : `${2 ** power}`;
  const every = (from: number, to: number) => Array.from({ length: (to - from) / 2 + 1 }, (_, i) => from + 2 * i);
  const curves = methods.map(({ colour, numbers }) => {
    const points = Array.from({ length: xs[1] - xs[0] + 1 }, (_, i) => 2 ** (xs[0] + i))
      .map((N) => [N, (4 * numbers(N)) / 2 ** 20] as const)
      .filter(([, mebibytes]) => mebibytes <= 2 ** ys[1] && mebibytes >= 2 ** ys[0])
      .map(([N, mebibytes]) => `${px(N).toFixed(1)},${py(mebibytes).toFixed(1)}`);
    return `<polyline points="${points.join(' ')}" fill="none" stroke="${colour}" stroke-width="2.5"/>`;
  });
  return svg(760, 440, 'Memory kept for backward, by the number of tokens', [
    text(24, 32, `Kept for backward by one head of D = ${D}, float32`, 'font-weight="600" font-size="15"'),
    ...methods.map(({ name, colour }, i) => {
      const at = [24, 170, 460][i];
      return `<circle cx="${at + 5}" cy="58" r="5" fill="${colour}"/>${text(at + 16, 63, name)}`;
    }),
    ...every(ys[0], ys[1]).map((power) => {
      const y = py(2 ** power);
      return (
        line(left, y, left + width, y, `stroke="${grid}"`) +
        text(left - 8, y + 4, size(power), `text-anchor="end" fill="${soft}"`)
      );
    }),
    ...every(xs[0], xs[1]).map((power) =>
      text(px(2 ** power), top + height + 20, tokens(power), `${middle} fill="${soft}"`),
    ),
    ...curves,
    text(left + width / 2, top + height + 42, 'tokens N', `${middle} fill="${soft}"`),
  ]);
}

export function writeFigures(): void {
  const to = join(root, 'docs/figures');
  mkdirSync(to, { recursive: true });
  const figures = {
    'mask-and-state': maskAndState(),
    'chunked-product': chunkedProduct(),
    'saved-memory': savedMemory(),
  };
  for (const [name, figure] of Object.entries(figures)) writeFileSync(join(to, `${name}.svg`), figure);
}
