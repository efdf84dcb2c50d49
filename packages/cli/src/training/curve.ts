export interface CurvePoint {
  readonly step: number;
  /** Nats a token. */
  readonly loss: number;
}

export interface Curve {
  readonly title: string;
  readonly training: readonly CurvePoint[];
  readonly validation: readonly CurvePoint[];
  /** A loss to compare with, drawn as a dashed line. */
  readonly reference?: { readonly label: string; readonly loss: number };
  /** Of the vertical axis. */
  readonly unit: string;
}

/** At most `limit` points: means of neighbours. */
export function thin(points: readonly CurvePoint[], limit: number): CurvePoint[] {
  const width = Math.max(1, Math.ceil(points.length / limit));
  return Array.from({ length: Math.ceil(points.length / width) }, (_, i) => {
    const group = points.slice(i * width, (i + 1) * width);
    const mean = (of: (point: CurvePoint) => number) => group.reduce((sum, point) => sum + of(point), 0) / group.length;
    return { step: mean((point) => point.step), loss: mean((point) => point.loss) };
  });
}

const colours = { training: '#7aa6d6', validation: '#c2410c', reference: '#6b7280' };

/** The learning curve as an SVG document. */
export async function drawCurve({ title, training, validation, reference, unit }: Curve): Promise<string> {
  // Only here: a plotting library and a document for it cost a third of a second to load.
  const [Plot, { parseHTML }] = await Promise.all([import('@observablehq/plot'), import('linkedom')]);
  const { document } = parseHTML('<!doctype html><html><body></body></html>');
  const shown = thin(training, 400);
  const last = validation.at(-1);
  const highest = Math.max(...[...shown, ...validation].map(({ loss }) => loss), reference?.loss ?? 0);
  const svg = Plot.plot({
    document: document as unknown as Document,
    width: 820,
    height: 420,
    marginTop: 60,
    marginLeft: 56,
    marginRight: 120,
    marginBottom: 44,
    style: { fontFamily: 'system-ui, sans-serif', fontSize: '13px', background: 'white', color: '#1f2937' },
    x: { label: 'step', nice: true },
    y: { label: null, grid: true, domain: [0, highest * 1.05], nice: true },
    marks: [
      Plot.ruleY([0]),
      ...(reference
        ? [
            Plot.ruleY([reference.loss], { stroke: colours.reference, strokeDasharray: '4 4' }),
            Plot.text([reference], {
              y: 'loss',
              frameAnchor: 'right',
              textAnchor: 'start',
              dx: 6,
              text: 'label',
              lineWidth: 9,
              fill: colours.reference,
            }),
          ]
        : []),
      Plot.text(['training (means of neighbouring steps)'], {
        frameAnchor: 'top-right',
        textAnchor: 'end',
        dy: -14,
        fill: colours.training,
        text: (text: string) => text,
      }),
      Plot.lineY(shown, { x: 'step', y: 'loss', stroke: colours.training, strokeWidth: 1.25 }),
      Plot.lineY(validation, { x: 'step', y: 'loss', stroke: colours.validation, strokeWidth: 2 }),
      Plot.dot(validation, { x: 'step', y: 'loss', fill: colours.validation, r: 2.5 }),
      Plot.text(last ? [last] : [], {
        x: 'step',
        y: 'loss',
        text: ({ loss }: CurvePoint) => `validation ${loss.toFixed(3)}`,
        textAnchor: 'start',
        dx: 8,
        fill: colours.validation,
      }),
      Plot.text([unit], {
        frameAnchor: 'top-left',
        dy: -24,
        fill: colours.reference,
        text: (text: string) => text,
      }),
      Plot.text([title], {
        frameAnchor: 'top-left',
        dy: -46,
        fontSize: 15,
        fontWeight: 600,
        text: (text: string) => text,
      }),
    ],
  });
  svg.setAttribute('xmlns', 'http://www.w3.org/2000/svg');
  svg.setAttribute('role', 'img');
  return `<?xml version="1.0" encoding="UTF-8"?>\n${svg.outerHTML}\n`;
}
