import { readFileSync } from 'node:fs';
import { afterAll, expect, test } from 'vitest';
import { type Timed, table } from '../benchmarks/table.ts';
import { dispose } from '../src/index.ts';
import { use } from './support.ts';

const entries: Readonly<Record<string, () => Promise<unknown>>> = {
  '@tensorflow/tfjs': () => import('@tensorflow/tfjs'),
  '@linattn/tfjs': () => import('../src/index.ts'),
  '@linattn/tfjs/layers': () => import('../src/layers.ts'),
};
const file = (path: string) => new URL(`../${path}`, import.meta.url);
const readme = readFileSync(file('README.md'), 'utf8');
afterAll(() => dispose());

test("the README's snippet runs as it stands", async () => {
  await use('cpu');
  const [, code] = readme.match(/```js\n(.*?)```/s)!;
  const body = code
    .replaceAll(/import \* as (\w+) from '(.+?)';/g, "const $1 = await load('$2');")
    .replaceAll(/import (\{.+?\}) from '(.+?)';/gs, "const $1 = await load('$2');");
  const printed: unknown[] = [];
  const AsyncFunction = Object.getPrototypeOf(async () => {}).constructor;
  await new AsyncFunction('load', 'console', body)((name: string) => entries[name](), {
    log: (value: unknown) => printed.push(value),
  });
  expect(printed).toEqual([[1, 128, 4, 16], 3]);
});

test('the README quotes what was measured', () => {
  const { results } = JSON.parse(readFileSync(file('benchmarks/node.json'), 'utf8')) as { results: Timed[] };
  expect(readme).toContain(table(results));
});
