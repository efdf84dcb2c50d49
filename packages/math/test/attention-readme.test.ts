/// <reference types="node" />
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

const entries: Readonly<Record<string, () => Promise<unknown>>> = {
  '@linattn/math': () => import('../src/index.ts'),
  '@linattn/math/attention': () => import('../src/attention/index.ts'),
  '@linattn/math/conformance': () => import('../src/conformance/index.ts'),
  '@linattn/math/features': () => import('../src/features/index.ts'),
  '@linattn/math/float64': () => import('../src/float64/index.ts'),
  '@linattn/math/network': () => import('../src/network/index.ts'),
};

const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
const snippets = [...readme.matchAll(/```js\n(.*?)```/gs)].map(([, code]) => code);

/** Runs a snippet with the package's sources as its imports, and tells what it printed. */
async function run(code: string): Promise<unknown[]> {
  const body = code
    .replaceAll(/import \* as (\w+) from '(.+?)';/g, "const $1 = await load('$2');")
    .replaceAll(/import (\{.+?\}) from '(.+?)';/gs, "const $1 = await load('$2');");
  expect(body).not.toContain('import ');
  const printed: unknown[] = [];
  const AsyncFunction = Object.getPrototypeOf(async () => {}).constructor;
  await new AsyncFunction('load', 'console', body)((name: string) => entries[name](), {
    log: (...values: unknown[]) => printed.push(...values),
  });
  return printed;
}

it.each(snippets.map((code, i) => [i, code] as const))("the README's snippet %i runs as it stands", async (_, code) => {
  const printed = await run(code);
  expect(printed.length).toBeGreaterThan(0);
  for (const value of printed) {
    const numbers = typeof value === 'number' ? [value] : [...(value as Float64Array)];
    expect(numbers.length).toBeGreaterThan(0);
    expect(numbers.every(Number.isFinite)).toBe(true);
  }
});

it('the README has snippets', () => {
  expect(snippets.length).toBe(4);
});
