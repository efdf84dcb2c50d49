import './navigator.ts';
import { readFileSync } from 'node:fs';
import { afterAll, expect, test } from 'vitest';
import { type Timed, table } from '../benchmarks/table.ts';
import { dispose } from '../src/index.ts';

const entries: Readonly<Record<string, () => Promise<unknown>>> = {
  '@jax-js/jax': () => import('@jax-js/jax'),
  '@linattn/jax': () => import('../src/index.ts'),
};
const file = (path: string) => new URL(`../${path}`, import.meta.url);
const readme = readFileSync(file('README.md'), 'utf8');
afterAll(() => dispose());

test("the README's snippet runs as it stands", async () => {
  const [, code] = readme.match(/```js\n(.*?)```/s)!;
  const body = code.replaceAll('import(', 'load(');
  const printed: unknown[] = [];
  const AsyncFunction = Object.getPrototypeOf(async () => {}).constructor;
  await new AsyncFunction('load', 'console', body)((name: string) => entries[name](), {
    log: (...values: unknown[]) => printed.push(...values),
  });
  expect(printed).toEqual([[1, 128, 4, 16], expect.any(Number), [16, 48]]);
});

test('the README quotes what was measured', () => {
  const { results } = JSON.parse(readFileSync(file('benchmarks/node.json'), 'utf8')) as { results: Timed[] };
  expect(readme).toContain(table(results));
});
