import { describe, expect, test } from 'vitest';
import { exampleOf, resize, tokenOf, withToken } from '../src/walk/example.ts';
import { type Rows, traceOf } from '../src/walk/trace.ts';

const plus = (x: Rows, y: Rows) => x.map((row, i) => row.map((value, j) => value + y[i][j]));
const close = (x: Rows, y: Rows) => {
  for (const [i, row] of x.entries()) for (const [j, value] of row.entries()) expect(value).toBeCloseTo(y[i][j], 12);
};

describe.each([
  [3, 3, 2],
  [1, 6, 4],
  [6, 1, 1],
])('%d conditional and %d generated tokens of %d features', (conditional, generated, features) => {
  test('each state is the last one and what the token adds, each gradient the next one and what its loss adds', async () => {
    const { tokens, nothing, difference } = await traceOf(exampleOf(conditional, generated, features));
    tokens.forEach(({ state, added, dState, dAdded }, t) => {
      close(state, plus(tokens[t - 1]?.state ?? nothing, added));
      close(dState, plus(tokens[t + 1]?.dState ?? nothing, dAdded));
    });
    expect(difference.outputs).toBeLessThan(1e-12);
    expect(difference.gradients).toBeLessThan(1e-12);
  });

  test('the gradient passes conditional positions untouched, to the last bit', async () => {
    const { tokens } = await traceOf(exampleOf(conditional, generated, features));
    const first = tokens[conditional].dState;
    for (const { dState } of tokens.slice(0, conditional)) expect(dState).toEqual(first);
    expect(first.flat().some((value) => Math.abs(value) > 1e-6)).toBe(true);
  });
});

test('the loss is what central differences of it say: one number of a conditional value', async () => {
  const example = exampleOf();
  const trace = await traceOf(example);
  const at = async (change: number) => {
    const token = example.tokens[1];
    const changed = withToken(example, 1, { ...token, k: [token.k[0] + change, token.k[1]] });
    return (await traceOf(changed)).loss;
  };
  const h = 1e-5;
  expect(trace.tokens[1].dk[0]).toBeCloseTo(((await at(h)) - (await at(-h))) / (2 * h), 8);
});

test('softmax weights are rows of probabilities over the past', async () => {
  const { softmax } = await traceOf(exampleOf());
  softmax.weights.forEach((row, i) => {
    expect(row.reduce((total, weight) => total + weight, 0)).toBeCloseTo(1, 12);
    expect(row.slice(i + 1).every((weight) => weight === 0)).toBe(true);
  });
  expect(
    softmax.dWeights
      .slice(0, 3)
      .flat()
      .every((value) => value === 0),
  ).toBe(true);
});

test('a word has numbers of its own, and tokens keep theirs when others come', () => {
  expect(tokenOf('key', 2)).toEqual(tokenOf('key', 2));
  expect(tokenOf('key', 2).k).not.toEqual(tokenOf('keys', 2).k);
  const edited = withToken(exampleOf(), 0, { ...tokenOf('Anna', 2), v: [9, 9] });
  expect(resize(edited, 3, 4, 2).tokens[0].v).toEqual([9, 9]);
  expect(resize(edited, 3, 4, 3).tokens[0].v).toHaveLength(3);
});
