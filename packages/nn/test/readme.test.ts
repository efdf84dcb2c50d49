/// <reference types="node" />
import { readFileSync } from 'node:fs';
import { indices, vjp } from '@linattn/math';
import { expect, test } from 'vitest';
import { tinyModel } from './helpers.ts';

const entries: Readonly<Record<string, () => Promise<unknown>>> = {
  '@linattn/math': () => import('@linattn/math'),
  '@linattn/math/float64': () => import('@linattn/math/float64'),
  '@linattn/nn': () => import('../src/index.ts'),
};

const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');

test("the README's first snippet runs as it stands, and learns its text", async () => {
  const [, code] = readme.match(/```js\n(.*?)```/s)!;
  const body = code.replaceAll(/import (\{.+?\}) from '(.+?)';/gs, "const $1 = await load('$2');");
  const printed: string[] = [];
  const AsyncFunction = Object.getPrototypeOf(async () => {}).constructor;
  await new AsyncFunction('load', 'console', body)((name: string) => entries[name](), {
    log: (line: string) => printed.push(line),
  });
  expect(printed).toHaveLength(4);
  const losses = printed.slice(0, 3).map((line) => Number(line.match(/: (\S+) nats/)![1]));
  expect(losses[2]).toBeLessThan(0.3);
  expect(readme).toContain(`\`${printed[3]}\``);
});

test.each(['linear', 'softmax'] as const)('%s: a block holds for backward what the README says', (type) => {
  const [N, E, H] = [16, 8, 2];
  const held = (layers: number) => {
    const model = tinyModel({ layers, intermediateSize: 4 * E, attention: { type } });
    const tokens = indices(
      model.backend,
      Array.from({ length: N }, (_, i) => i % 10),
      [1, N],
    );
    const { savedElements, dispose } = vjp(() => [model.loss(tokens, tokens)], [...model.parameters.values()]);
    const count = savedElements([...model.parameters.values()]);
    dispose();
    return count;
  };
  const block = held(3) - held(2);
  // Linear attention also holds its three coefficients.
  expect(block).toBe(15 * N * E + N * H + 4 * N + (type === 'linear' ? 3 : 0));
});
