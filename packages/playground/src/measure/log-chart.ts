import * as Plot from '@observablehq/plot';
import { formatBytes, formatCount, formatDuration } from '../ui/format.ts';
import { looks } from './looks.ts';
import { methodNames, methods, type Plan } from './plan.ts';
import type { Quantity, Series } from './series.ts';
import { ticksFor } from './ticks.ts';

/** Colours as CSS has them: variables on the page, plain ones in a file. */
export interface Palette {
  readonly ink: string;
  readonly soft: string;
  readonly blue: string;
  readonly orange: string;
}

export const pagePalette: Palette = {
  ink: 'var(--ink)',
  soft: 'var(--soft)',
  blue: 'var(--blue)',
  orange: 'var(--orange)',
};

export const filePalette: Palette = { ink: '#24221e', soft: '#5f5b53', blue: '#2d6a8f', orange: '#a4551f' };

const titles: Readonly<Record<Quantity, string>> = { seconds: 'time', peakBytes: 'memory in tensors' };

/** A log-log chart of one quantity; × where a method ran out of memory, ○ where it was stopped for time. */
export function logChart(
  { points, endings }: Series,
  quantity: Quantity,
  plan: Plan,
  width: number,
  palette: Palette,
): SVGSVGElement | HTMLElement {
  const format = quantity === 'seconds' ? formatDuration : formatBytes;
  const shown = [...points, ...endings];
  const ticks = ticksFor(
    quantity,
    shown.map(({ y }) => y),
  );
  const xs = [...new Set(shown.map(({ x }) => x))].sort((a, b) => a - b);
  const every = Math.ceil(xs.length / Math.max(2, Math.floor(width / 70)));
  return Plot.plot({
    width,
    height: Math.round(Math.min(360, Math.max(260, 0.72 * width))),
    marginLeft: 66,
    marginRight: 26,
    marginTop: 28,
    marginBottom: 46,
    style: {
      background: 'none',
      color: palette.soft,
      fontFamily: 'system-ui, sans-serif',
      fontSize: '13px',
      overflow: 'visible',
    },
    x: { type: 'log', base: 2, axis: null },
    y: { type: 'log', axis: null },
    marks: [
      Plot.gridY(ticks),
      // As text: of a logarithmic axis, `tickFormat` leaves out what is no power of ten.
      Plot.axisY(ticks, { text: format, label: titles[quantity] }),
      Plot.axisX(
        xs.filter((_, i) => i % every === 0),
        { tickFormat: formatCount, label: plan.along === 'tokens' ? 'tokens N' : 'features D', labelOffset: 42 },
      ),
      // The first method lies above the others.
      ...methodNames.toReversed().flatMap((method) => {
        const { colour, dash, symbol } = looks[method];
        const own = points.filter((point) => point.method === method);
        const stroke = palette[colour];
        const end = endings.filter((ending) => ending.method === method);
        // A mark of nothing takes as long to make as one of a few points.
        if (own.length === 0) return [];
        return [
          end.length > 0
            ? Plot.line([...own, ...end], { x: 'x', y: 'y', stroke, strokeOpacity: 0.35, strokeDasharray: '1 4' })
            : null,
          Plot.line(own, { x: 'x', y: 'y', stroke, strokeWidth: 2, strokeDasharray: dash }),
          Plot.dot(own, { x: 'x', y: 'y', fill: stroke, r: 3.5, symbol, title: () => methods[method] }),
          end.length > 0
            ? Plot.dot(end, {
                x: 'x',
                y: 'y',
                stroke,
                strokeWidth: 2,
                r: 5,
                symbol: ({ why }: { why: string }) => (why === 'memory' ? 'times' : 'circle'),
              })
            : null,
        ];
      }),
    ],
  });
}
