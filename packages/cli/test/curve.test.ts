import { parseHTML } from 'linkedom';
import { expect, test } from 'vitest';
import { drawCurve, thin } from '../src/training/curve.ts';

const points = (count: number) => Array.from({ length: count }, (_, step) => ({ step, loss: 5 / (1 + step / 50) }));

test('a curve is an SVG document with both losses, the reference and the title', async () => {
  const validation = points(1000).filter(({ step }) => step % 100 === 99);
  const svg = await drawCurve({
    title: 'stories & <more>',
    training: points(1000),
    validation,
    unit: 'loss (nats per character)',
    reference: { label: 'order-0 entropy 3.07', loss: 3.07 },
  });
  const { document } = parseHTML(svg);
  const root = document.querySelector('svg');
  expect(root?.getAttribute('xmlns')).toBe('http://www.w3.org/2000/svg');
  const lines = [...document.querySelectorAll('g[aria-label="line"] path')].map((path) => path.getAttribute('d') ?? '');
  expect(lines).toHaveLength(2);
  // A point of the line for every mean of neighbours, and for every validation.
  expect(lines.map((line) => line.split(/[ML]/).length - 1)).toEqual([334, 10]);
  expect(document.querySelectorAll('circle')).toHaveLength(10);
  expect(root?.textContent).toContain('order-0 entropy');
  expect(root?.textContent).toContain(`validation ${validation.at(-1)?.loss.toFixed(3)}`);
  expect(svg).toContain('stories &amp; &lt;more&gt;');
  expect(svg).not.toMatch(/NaN|undefined/);
});

test('one step, no validation', async () => {
  const svg = await drawCurve({ title: 't', training: points(1), validation: [], unit: 'loss' });
  expect(svg).toContain('<svg');
  expect(svg).not.toMatch(/NaN|undefined/);
});

test('thinning keeps means', () => {
  expect(thin(points(3), 10)).toEqual(points(3));
  const thinned = thin(points(1002), 100);
  expect(thinned.length).toBeLessThanOrEqual(100);
  expect(thinned[0].step).toBe(5);
  expect(thinned.at(-1)?.step).toBe(1001);
});
