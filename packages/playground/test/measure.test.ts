import { random, type Tensor, tensor, vjp } from '@linattn/math';
import { float64Backend } from '@linattn/math/float64';
import { describe, expect, test, vi } from 'vitest';
import { toCSV } from '../src/measure/export.ts';
import { limitedBackend, MemoryLimitError } from '../src/measure/limited-backend.ts';
import { measurePoint } from '../src/measure/measure-point.ts';
import { attend, runningSum } from '../src/measure/methods.ts';
import { defaultPlan, type Method, type Outcome, type Row } from '../src/measure/plan.ts';
import { seriesOf, summarise } from '../src/measure/series.ts';
import { slopeOf } from '../src/measure/slope.ts';
import { sweep } from '../src/measure/sweep.ts';
import { ticksFor } from '../src/measure/ticks.ts';

const backend = float64Backend();
const draw = (stream: number, tokens = 32) =>
  random(backend, { shape: [1, tokens, 2, 4], distribution: 'normal', key: [7, 0], stream: [stream, 0] });
const [q, k, v, dOutput] = [0, 1, 2, 3].map((stream) => draw(stream));

async function resultsOf(method: Method): Promise<number[][]> {
  const { outputs, pullback } = vjp(() => [attend[method](q, k, v)], [q, k, v]);
  const read = async (x: Tensor) => [...(await x.read())];
  return Promise.all([...outputs, ...pullback([dOutput])].map(read));
}

describe('methods that promise the same numbers', () => {
  test.each([
    ['separation', 'linear'],
    ['full', 'tiled'],
  ] as const)('%s and %s: output and every gradient', async (one, other) => {
    const [x, y] = [await resultsOf(one), await resultsOf(other)];
    x.forEach((values, which) => {
      expect(values).toHaveLength(y[which].length);
      for (const [i, value] of values.entries()) expect(value).toBeCloseTo(y[which][i], 10);
    });
  });

  test.each([4, 16, 64, 512])('running sums of %d tokens', async (tokens) => {
    const values = Float64Array.from({ length: 2 * tokens }, (_, i) => Math.sin(i));
    const sums = await runningSum(tensor(backend, values, [1, tokens, 2])).read();
    let [even, odd] = [0, 0];
    for (let i = 0; i < tokens; i++) {
      even += values[2 * i];
      odd += values[2 * i + 1];
      expect(sums[2 * i]).toBeCloseTo(even, 10);
      expect(sums[2 * i + 1]).toBeCloseTo(odd, 10);
    }
  });
});

test('what is kept for backward grows as it should', () => {
  const savedBy = (method: Method, tokens: number) => {
    const inputs = [0, 1, 2].map((stream) => draw(stream, tokens));
    const { savedElements, dispose } = vjp(() => [attend[method](inputs[0], inputs[1], inputs[2])], inputs);
    const saved = savedElements();
    dispose();
    return saved;
  };
  // 2 heads of D = 4: q, k, v, o and g; and a [5, 5] state a token where they are recorded.
  expect(savedBy('linear', 64)).toBe(2 * 64 * (4 * 4 + 1) + 3);
  expect(savedBy('full', 256) / savedBy('full', 128)).toBeGreaterThan(3.5);
  expect(savedBy('separation', 128)).toBeGreaterThan(2 * 128 * 25);
  expect(savedBy('separation', 256) / savedBy('separation', 128)).toBeLessThan(2.1);
});

describe('the limit', () => {
  test('is told before memory is taken, and the peak is what was taken', () => {
    const limited = limitedBackend(float64Backend(), 8 * 1000);
    const x = tensor(limited, new Float64Array(600), [600]);
    expect(limited.peakBytes()).toBe(8 * 600);
    expect(() => tensor(limited, new Float64Array(401), [401])).toThrow(MemoryLimitError);
    x.dispose();
    limited.resetPeak();
    expect(limited.peakBytes()).toBe(0);
  });

  test('ends a method in a sweep, and no other', async () => {
    const rows: Row[] = [];
    const inner = float64Backend();
    const plan = { along: 'tokens', upTo: 512, fixed: 4, heads: 1, limitBytes: 2 ** 20 } as const;
    await sweep(limitedBackend(inner, plan.limitBytes), plan, {
      doing: () => {},
      row: (row) => rows.push(row),
    });
    const outcomes = (method: Method) =>
      rows.filter((row) => row.method === method && row.pass === 'both').map(({ outcome }) => outcome.type);
    expect(inner.memory().bytes).toBe(0);
    expect(outcomes('linear')).toEqual(['measured', 'measured', 'measured']);
    expect(outcomes('full').at(-1)).toBe('memory');
    const peaks = rows.flatMap(({ method, pass, tokens, outcome }) =>
      method === 'linear' && pass === 'both' && outcome.type === 'measured'
        ? [[tokens, outcome.peakBytes] as const]
        : [],
    );
    expect(slopeOf(peaks)).toBeCloseTo(1, 1);
  });
});

test('a clock that ticks in whole milliseconds times runs that are far shorter', async () => {
  const now = performance.now.bind(performance);
  const clock = vi.spyOn(performance, 'now').mockImplementation(() => Math.floor(now()));
  try {
    const limited = limitedBackend(float64Backend(), 2 ** 20);
    const outcome = await measurePoint(limited, 'linear', 'forward', { tokens: 2, features: 2, heads: 1 });
    if (outcome.type !== 'measured') throw new Error(outcome.type);
    expect(outcome.seconds).toBeGreaterThan(0);
    expect(outcome.seconds).toBeLessThan(0.01);
    expect(outcome.runs).toBeGreaterThan(3);
  } finally {
    clock.mockRestore();
  }
});

test('axes have round numbers, at least three where the values leave room', () => {
  const ms = (...values: number[]) =>
    ticksFor(
      'seconds',
      values.map((x) => x / 1000),
    ).map((x) => Number((1000 * x).toPrecision(6)));
  expect(ms(0.07, 3, 40)).toEqual([0.1, 1, 10]);
  expect(ms(0.2, 3.7)).toEqual([0.2, 0.5, 1, 2]);
  expect(ms(2.6, 4.2)).toEqual([3, 4]);
  expect(ms(2)).toEqual([2]);
  expect(ticksFor('peakBytes', [330496, 1.2e9])).toEqual([2 ** 20, 2 ** 24, 2 ** 28]);
  expect(ticksFor('peakBytes', [2 ** 18, 2 ** 22])).toEqual([2 ** 18, 2 ** 20, 2 ** 22]);
});

test('slopes are exponents of the last three points', () => {
  const square = [1, 2, 4, 8].map((x) => [x, x === 1 ? 1e9 : 5 * x * x] as const);
  expect(slopeOf(square)).toBeCloseTo(2, 10);
  expect(slopeOf(square.slice(0, 1))).toBeUndefined();
});

describe('results', () => {
  const row = (tokens: number, outcome: Outcome): Row => ({
    ...{ method: 'full', pass: 'both', tokens, features: 32, heads: 4, outcome },
  });
  const measured = (tokens: number) =>
    row(tokens, { type: 'measured', seconds: 1e-9 * tokens ** 2, runs: 3, peakBytes: 8 * tokens ** 2 });
  const rows = [measured(128), measured(256), measured(512), row(1024, { type: 'memory', message: 'too much' })];

  test('a method that ran out of memory ends where its line was going', () => {
    const { points, endings } = seriesOf(rows, defaultPlan, 'both', 'peakBytes');
    expect(points.map(({ y }) => y)).toEqual([8 * 128 ** 2, 8 * 256 ** 2, 8 * 512 ** 2]);
    expect(endings).toHaveLength(1);
    expect(endings[0]).toMatchObject({ x: 1024, why: 'memory' });
    expect(endings[0].y / (8 * 1024 ** 2)).toBeCloseTo(1, 10);
    expect(seriesOf(rows, defaultPlan, 'forward', 'seconds')).toEqual({ points: [], endings: [] });
  });

  test('are summed up by method, and written a line each', () => {
    const full = summarise(rows, defaultPlan, 'both').find(({ method }) => method === 'full')!;
    expect(full.timeSlope).toBeCloseTo(2, 10);
    expect(full.ending).toBe('memory');
    expect(full.last?.x).toBe(512);
    expect(toCSV({ rows, plan: defaultPlan, device: 'here' }).split('\n').slice(3, 5)).toEqual([
      'full,both,512,32,4,measured,0.000262144,3,2097152',
      'full,both,1024,32,4,memory,,,',
    ]);
  });
});
