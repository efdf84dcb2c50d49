import { download } from '../ui/download.ts';
import { filePalette, logChart } from './log-chart.ts';
import { methodNames, methods, type Pass, type Plan, passes, type Row } from './plan.ts';
import { seriesOf } from './series.ts';

export interface Measurement {
  readonly rows: readonly Row[];
  readonly plan: Plan;
  readonly device: string;
}

const columns = 'method,pass,tokens,features,heads,outcome,seconds,runs,peak_bytes';

/** A line a measurement. */
export const toCSV = ({ rows }: Measurement): string =>
  `${[
    columns,
    ...rows.map(({ method, pass, tokens, features, heads, outcome }) => {
      const found = outcome.type === 'measured' ? [outcome.seconds, outcome.runs, outcome.peakBytes] : ['', '', ''];
      return [method, pass, tokens, features, heads, outcome.type, ...found].join(',');
    }),
  ].join('\n')}\n`;

/** Everything, with where it was measured. */
export const toJSON = ({ rows, plan, device }: Measurement): string =>
  `${JSON.stringify({ device, browser: navigator.userAgent, processors: navigator.hardwareConcurrency, plan, methods, rows }, null, 2)}\n`;

/** Both charts of a pass side by side, in colours of their own. */
export function toSVG({ rows, plan, device }: Measurement, pass: Pass): string {
  const [width, height] = [520, 480];
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('xmlns', 'http://www.w3.org/2000/svg');
  svg.setAttribute('viewBox', `0 0 ${2 * width + 40} ${height}`);
  svg.setAttribute('font-family', 'system-ui, sans-serif');
  svg.setAttribute('fill', filePalette.ink);
  const say = (text: string, x: number, y: number, size: number, fill = filePalette.ink) => {
    const element = document.createElementNS(svg.namespaceURI, 'text');
    element.textContent = text;
    for (const [name, value] of Object.entries({ x, y, 'font-size': size, fill })) {
      element.setAttribute(name, String(value));
    }
    svg.append(element);
  };
  say(
    `${passes[pass]}, ${plan.heads} heads, ${plan.along === 'tokens' ? 'D' : 'N'} = ${plan.fixed} · ${device}`,
    16,
    26,
    15,
  );
  methodNames.forEach((method, i) => {
    const blue = method === 'linear' || method === 'separation';
    say(methods[method], 16 + 250 * i, 52, 13, blue ? filePalette.blue : filePalette.orange);
  });
  (['seconds', 'peakBytes'] as const).forEach((quantity, i) => {
    const chart = logChart(seriesOf(rows, plan, pass, quantity), quantity, plan, width, filePalette);
    chart.setAttribute('x', String(i * (width + 40)));
    chart.setAttribute('y', '80');
    svg.append(chart);
  });
  return new XMLSerializer().serializeToString(svg);
}

/** Hands it over as a file. */
export function exportAs(kind: 'svg' | 'csv' | 'json', measurement: Measurement, pass: Pass): void {
  const { along } = measurement.plan;
  const name = `linattn-${along}.${kind}`;
  const content = kind === 'svg' ? toSVG(measurement, pass) : kind === 'csv' ? toCSV(measurement) : toJSON(measurement);
  download(name, content);
}
