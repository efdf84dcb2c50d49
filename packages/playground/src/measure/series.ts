import { type Method, methodNames, type Pass, type Plan, type Row } from './plan.ts';
import { slopeOf } from './slope.ts';

export type Quantity = 'seconds' | 'peakBytes';

export interface Point {
  readonly method: Method;
  /** N or D, whichever grows. */
  readonly x: number;
  readonly y: number;
}

export interface Ending {
  readonly method: Method;
  readonly x: number;
  /** Where the line was going. */
  readonly y: number;
  readonly why: 'memory' | 'time';
}

export interface Series {
  readonly points: readonly Point[];
  readonly endings: readonly Ending[];
}

const along = (row: Row, plan: Plan): number => row[plan.along];

/** One quantity of one pass, by method: what was measured, and where a method ended. */
export function seriesOf(rows: readonly Row[], plan: Plan, pass: Pass, quantity: Quantity): Series {
  const own = rows.filter((row) => row.pass === pass);
  const points = own.flatMap(({ outcome, ...row }): Point[] =>
    outcome.type === 'measured'
      ? [{ method: row.method, x: along({ ...row, outcome }, plan), y: outcome[quantity] }]
      : [],
  );
  const endings = own.flatMap((row): Ending[] => {
    if (row.outcome.type === 'measured') return [];
    const line = points.filter(({ method }) => method === row.method).map(({ x, y }) => [x, y] as const);
    const last = line.at(-1);
    if (!last) return [];
    const x = along(row, plan);
    return [{ method: row.method, x, y: last[1] * (x / last[0]) ** (slopeOf(line) ?? 1), why: row.outcome.type }];
  });
  return { points, endings };
}

export interface Summary {
  readonly method: Method;
  readonly last?: { readonly x: number; readonly seconds: number; readonly peakBytes: number };
  readonly timeSlope?: number;
  readonly memorySlope?: number;
  readonly ending?: 'memory' | 'time';
}

/** What each method came to. */
export function summarise(rows: readonly Row[], plan: Plan, pass: Pass): Summary[] {
  const [time, memory] = (['seconds', 'peakBytes'] as const).map((quantity) => seriesOf(rows, plan, pass, quantity));
  return methodNames.map((method) => {
    const of = ({ points }: Series) =>
      points.filter((point) => point.method === method).map(({ x, y }) => [x, y] as const);
    const [times, bytes] = [of(time), of(memory)];
    const last = times.at(-1);
    const ending = rows.find((row) => row.method === method && row.pass === pass && row.outcome.type !== 'measured');
    return {
      method,
      last: last && { x: last[0], seconds: last[1], peakBytes: bytes.at(-1)![1] },
      timeSlope: slopeOf(times),
      memorySlope: slopeOf(bytes),
      ending: ending?.outcome.type as Summary['ending'],
    };
  });
}
