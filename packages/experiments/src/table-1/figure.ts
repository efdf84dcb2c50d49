import { draw, palette } from '../plot/draw.ts';

export interface Row {
  readonly name: string;
  /** One a seed. */
  readonly scores: readonly number[];
}

/** Scores by row: a dot a seed, a bar at the mean. */
export function drawRows(title: string, unit: string, rows: readonly Row[]): Promise<string> {
  const dots = rows.flatMap(({ name, scores }) => scores.map((score) => ({ name, score })));
  const means = rows.map(({ name, scores }) => ({
    name,
    score: scores.reduce((sum, x) => sum + x, 0) / scores.length,
  }));
  return draw({
    title,
    unit,
    plot: (Plot) => ({
      height: 126 + 34 * rows.length,
      marginTop: 82,
      marginLeft: 230,
      x: { label: null, grid: true, nice: true },
      y: { type: 'band', label: null, domain: rows.map(({ name }) => name), padding: 0.35 },
      marks: [
        Plot.tickX(means, { x: 'score', y: 'name', stroke: palette[1], strokeWidth: 3 }),
        Plot.dot(dots, { x: 'score', y: 'name', fill: palette[0], fillOpacity: 0.75, r: 4 }),
      ],
    }),
  });
}
