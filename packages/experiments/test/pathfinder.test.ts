import { expect, test } from 'vitest';
import { generatePathfinder } from '../src/table-1/data/pathfinder.ts';

const size = 32;

/** Pixels reached from `start` over lit ones, stepping over one dark one at most. */
function reach(
  image: ArrayLike<number>,
  start: number,
  radius: number,
  passes: (value: number) => boolean,
): Set<number> {
  const seen = new Set([start]);
  const queue = [start];
  for (let at = queue.pop(); at !== undefined; at = queue.pop()) {
    for (let dy = -radius; dy <= radius; dy++) {
      for (let dx = -radius; dx <= radius; dx++) {
        const [row, column] = [Math.floor(at / size) + dy, (at % size) + dx];
        const next = row * size + column;
        if (row < 0 || column < 0 || row >= size || column >= size || seen.has(next) || !passes(image[next])) continue;
        seen.add(next);
        queue.push(next);
      }
    }
  }
  return seen;
}

test('two discs; following the dashes leads from one to the other exactly where the label says so', () => {
  const examples = generatePathfinder({ seed: 1, count: 40 });
  for (const { tokens, label } of examples) {
    const discs: Set<number>[] = [];
    for (let at = 0; at < size * size; at++) {
      if (tokens[at] === 255 && !discs.some((each) => each.has(at)))
        discs.push(reach(tokens, at, 1, (value) => value === 255));
    }
    expect(discs).toHaveLength(2);
    const [start] = discs[0];
    const [end] = discs[1];
    expect(reach(tokens, start, 2, (value) => value > 0).has(end)).toBe(label === 1);
  }
  const positive = examples.filter(({ label }) => label === 1).length;
  expect(positive).toBeGreaterThan(8);
  expect(positive).toBeLessThan(32);
});

test('labels do not show in the number of lit pixels; a seed gives the same images', () => {
  const examples = generatePathfinder({ seed: 2, count: 60 });
  const lit = (label: number) => {
    const own = examples.filter((example) => example.label === label);
    const count = ({ tokens }: (typeof own)[number]) => Array.from(tokens).filter((value) => value > 0).length;
    return own.reduce((sum, example) => sum + count(example), 0) / own.length;
  };
  expect(Math.abs(lit(0) / lit(1) - 1)).toBeLessThan(0.06);
  expect(generatePathfinder({ seed: 2, count: 3 })).toEqual(examples.slice(0, 3));
  expect(() => generatePathfinder({ seed: 1, count: 1, size: 12 })).toThrow(/dashes/);
});
