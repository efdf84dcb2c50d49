import type * as PlotLibrary from '@observablehq/plot';

export type Plot = typeof PlotLibrary;

export interface DrawOptions {
  readonly title: string;
  /** Said of the vertical axis, under the title. */
  readonly unit: string;
  /** Names in the order of their colours. */
  readonly series?: readonly string[];
  readonly plot: (plot: Plot) => Omit<PlotLibrary.PlotOptions, 'document' | 'style' | 'title'>;
}

/** Told apart also by people who see fewer colours (Okabe & Ito), dark enough on white. */
export const palette = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#8a6d00', '#5b5b5b'] as const;
const ink = '#1f2937';
const soft = '#6b7280';

/** A plot as an SVG document, in the report's style: title, unit and a legend above it. */
export async function draw({ title, unit, series = [], plot }: DrawOptions): Promise<string> {
  // Only here: a plotting library and a document for it cost a third of a second to load.
  const [Plot, { parseHTML }] = await Promise.all([import('@observablehq/plot'), import('linkedom')]);
  const { document } = parseHTML('<!doctype html><html><body></body></html>');
  const words = (text: string, style: PlotLibrary.TextOptions) =>
    Plot.text([text], { frameAnchor: 'top-left', textAnchor: 'start', text: (d: string) => d, ...style });
  let right = 0;
  const legend = series.map((name, i) => {
    const mark = words(`● ${name}`, { dx: right, dy: -18, fill: palette[i % palette.length], fontWeight: 500 });
    right += 7.2 * (name.length + 4);
    return mark;
  });
  const options = plot(Plot);
  const svg = Plot.plot({
    width: 820,
    height: 420,
    marginTop: 88,
    marginLeft: 64,
    marginRight: 24,
    marginBottom: 46,
    ...options,
    document: document as unknown as Document,
    style: { fontFamily: 'system-ui, sans-serif', fontSize: '13px', background: 'white', color: ink },
    color: { domain: [...series], range: [...palette], ...options.color },
    marks: [
      ...(options.marks ?? []),
      ...legend,
      words(unit, { dy: -42, fill: soft }),
      words(title, { dy: -66, fontSize: 15, fontWeight: 600 }),
    ],
  });
  svg.setAttribute('xmlns', 'http://www.w3.org/2000/svg');
  svg.setAttribute('role', 'img');
  svg.setAttribute('aria-label', title);
  return `<?xml version="1.0" encoding="UTF-8"?>\n${svg.outerHTML}\n`;
}

export interface Point {
  readonly x: number;
  readonly y: number;
  readonly series: string;
}

export interface Failure {
  readonly x: number;
  readonly series: string;
}

export interface Axis {
  readonly label: string;
  readonly type?: 'linear' | 'log';
  readonly base?: number;
  readonly ticks?: readonly number[];
  readonly tickFormat?: (value: number) => string;
  readonly domain?: readonly [number, number];
}

export interface LinesOptions {
  readonly title: string;
  readonly unit: string;
  readonly series: readonly string[];
  readonly points: readonly Point[];
  /** Where a series ends because it cannot go on: an X above its last point. */
  readonly failures?: readonly Failure[];
  /** Series drawn with dashes: those that may lie on another. */
  readonly dashed?: readonly string[];
  /** Default true. */
  readonly dots?: boolean;
  readonly x: Axis;
  readonly y: Omit<Axis, 'label'>;
  /** A horizontal line to compare with. */
  readonly reference?: { readonly y: number; readonly label: string };
}

/** Lines with dots. */
export function drawLines(options: LinesOptions): Promise<string> {
  const { title, unit, series, points, failures = [], x, y, reference, dashed = [], dots = true } = options;
  const drawn = points.filter((point) => fits(point.x, x) && fits(point.y, y));
  const widths = [...drawn.map((point) => point.x), ...failures.map((failure) => failure.x)];
  const heights = [...drawn.map((point) => point.y), ...(reference ? [reference.y] : []), ...(y.domain ?? [])];
  // A figure of no point at all still has its axes.
  for (const extents of [widths, heights]) if (extents.length === 0) extents.push(1);
  return draw({
    title,
    unit,
    series,
    plot: (Plot) => ({
      x: scale(x, widths),
      y: { label: null, grid: y.type !== 'log', ...scale(y, heights) },
      marks: [
        ...logAxes(Plot, x, y, { widths, heights }),
        ...(reference
          ? [
              Plot.ruleY([reference.y], { stroke: soft, strokeDasharray: '4 4' }),
              Plot.text([reference], {
                y: 'y',
                text: 'label',
                frameAnchor: 'left',
                textAnchor: 'start',
                dx: 6,
                dy: 10,
                fill: soft,
              }),
            ]
          : []),
        ...[false, true].map((dash) =>
          Plot.line(
            drawn.filter((point) => dashed.includes(point.series) === dash),
            {
              x: 'x',
              y: 'y',
              z: 'series',
              stroke: 'series',
              strokeWidth: dots ? 2 : 1.5,
              ...(dash && { strokeDasharray: '4 9' }),
            },
          ),
        ),
        ...(dots ? [Plot.dot(drawn, { x: 'x', y: 'y', fill: 'series', r: 3 })] : []),
        Plot.dot(placed(failures, drawn), {
          x: 'x',
          y: 'y',
          stroke: 'series',
          symbol: 'times',
          r: 7,
          strokeWidth: 2.5,
        }),
      ],
    }),
  });
}

/** Powers of ten that the values span; with their doubles and halves between where that leaves few. */
export function logTicks(values: readonly number[]): number[] {
  const [low, high] = [Math.min(...values), Math.max(...values)].map(Math.log10);
  const steps = high - low > 3 ? [1] : high - low > 1.5 ? [1, 3] : [1, 2, 5];
  const decades = Array.from({ length: Math.ceil(high) - Math.floor(low) + 1 }, (_, i) => Math.floor(low) + i);
  return decades
    .flatMap((decade) => steps.map((step) => Number(`${step}e${decade}`)))
    .filter((tick) => tick >= 0.8 * 10 ** low && tick <= 1.25 * 10 ** high);
}

/** A logarithmic axis has no place for 0: an error of 0, say, where the reference is compared with itself. */
const fits = (value: number, { type }: Partial<Axis>): boolean =>
  Number.isFinite(value) && (type !== 'log' || value > 0);

type Extents = readonly number[];

/** A logarithmic scale ends a little beyond its values; its axis is drawn by `logAxes`. */
function scale({ ticks, domain, tickFormat, ...rest }: Partial<Axis>, values: Extents) {
  if (rest.type === 'log') {
    const [low, high] = domain ?? [Math.min(...values) / 1.15, Math.max(...values) * 1.15];
    return { ...rest, domain: [low, high], axis: null };
  }
  return {
    ...rest,
    nice: domain === undefined,
    ...(ticks && { ticks: [...ticks] }),
    ...(domain && { domain: [...domain] }),
    ...(tickFormat && { tickFormat }),
  };
}

/** Every tick with its label: a logarithmic scale of the library itself leaves out the labels of all but powers. */
function logAxes(
  Plot: Plot,
  x: Axis,
  y: Omit<Axis, 'label'>,
  { widths, heights }: { readonly widths: Extents; readonly heights: Extents },
) {
  const inside = (axis: Partial<Axis>, values: Extents) => {
    const [low, high] = scale(axis, values).domain!;
    return (axis.ticks ?? logTicks(values)).filter((tick) => tick >= low && tick <= high);
  };
  const text = ({ tickFormat = String }: Partial<Axis>) => ({ text: (tick: number) => tickFormat(tick) });
  return [
    ...(x.type === 'log' ? [Plot.axisX(inside(x, widths), { ...text(x), label: x.label })] : []),
    ...(y.type === 'log'
      ? [Plot.gridY(inside(y, heights)), Plot.axisY(inside(y, heights), { ...text(y), label: null })]
      : []),
  ];
}

/** A failure is drawn at the height of the series' highest point. */
const placed = (failures: readonly Failure[], points: readonly Point[]): Point[] =>
  failures.flatMap(({ x, series }) => {
    const own = points.filter((point) => point.series === series);
    return own.length > 0 ? [{ x, series, y: Math.max(...own.map((point) => point.y)) }] : [];
  });
