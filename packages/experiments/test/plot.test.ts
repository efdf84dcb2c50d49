import { parseHTML } from 'linkedom';
import { expect, test } from 'vitest';
import { drawLines, logTicks } from '../src/plot/draw.ts';

test('lines with a dot a point, an ✕ at the height of the last point, a reference, a legend', async () => {
  const points = [1, 10, 100].flatMap((x) => [
    { series: 'ours & <theirs>', x, y: x },
    { series: 'other', x, y: x ** 2 },
  ]);
  const svg = await drawLines({
    title: 'Time',
    unit: 'seconds',
    series: ['ours & <theirs>', 'other'],
    points: [...points, { series: 'other', x: 5, y: Number.NaN }],
    failures: [{ series: 'other', x: 1000 }],
    x: { label: 'N', type: 'log', ticks: [1, 10, 100, 1000] },
    y: { type: 'log' },
    reference: { y: 50, label: 'limit' },
  });
  const { document } = parseHTML(svg);
  expect(document.querySelectorAll('g[aria-label="line"] path')).toHaveLength(2);
  const dots = [...document.querySelectorAll('g[aria-label="dot"]')];
  expect(dots[0].querySelectorAll('circle')).toHaveLength(6);
  expect(dots[1].querySelectorAll('path')).toHaveLength(1);
  for (const text of ['Time', 'seconds', '● other', '● ours & <theirs>', 'limit', '1000']) {
    expect(document.querySelector('svg')?.textContent).toContain(text);
  }
  expect(svg).toContain('ours &amp; &lt;theirs&gt;');
  expect(svg).not.toMatch(/NaN|undefined/);
});

test('ticks of a logarithmic axis: decades, and more where there are few', () => {
  expect(logTicks([1e-3, 5])).toEqual([1e-3, 1e-2, 0.1, 1]);
  expect(logTicks([2, 90])).toEqual([3, 10, 30, 100]);
  expect(logTicks([20, 60])).toEqual([20, 50]);
});
