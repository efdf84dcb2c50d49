import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliDecompressSync } from 'node:zlib';
import { FormatError } from '@linattn/math';
import { expect, test } from 'vitest';
import { encodeListops, evaluateListops, generateListops, listopsTokens } from '../src/table-1/data/listops.ts';

const shared = resolve(fileURLToPath(import.meta.url), '../../../../../shared/data/listops/listops-test_d20s.tsv.br');

test.skipIf(!existsSync(shared))('the evaluator agrees with all 10,000 published lines', () => {
  const lines = brotliDecompressSync(readFileSync(shared)).toString('utf8').trim().split('\n');
  expect(lines).toHaveLength(10_000);
  const wrong = lines.filter((line) => {
    const [label, expression] = line.split('\t');
    return evaluateListops(expression) !== Number(label);
  });
  expect(wrong).toEqual([]);
});

test('operations, with and without parentheses', () => {
  expect(evaluateListops('[MAX 2 9 [MIN 4 7 ] 0 ]')).toBe(9);
  expect(evaluateListops('( ( ( [SM 6 ) 7 ) ] )')).toBe(3);
  expect(evaluateListops('[MED 1 8 3 ]')).toBe(3);
  // The mean of the middle two is 5.5.
  expect(evaluateListops('[MED 1 8 3 9 ]')).toBe(5);
  expect(evaluateListops('7')).toBe(7);
  for (const bad of ['', '[MAX 1 2', '[MAX ]', '1 2', ']', '[AVG 1 2 ]', '12']) {
    expect(() => evaluateListops(bad), bad).toThrow(FormatError);
  }
});

/** Depth of each token's tree, and how many arguments each operation has. */
function shapeOf(expression: string) {
  const counts: number[] = [];
  const sizes: number[] = [];
  let deepest = 1;
  for (const token of expression.split(' ')) {
    if (token === ']') sizes.push(counts.pop()!);
    else if (counts.length > 0) counts[counts.length - 1]++;
    if (token.startsWith('[')) counts.push(0);
    deepest = Math.max(deepest, counts.length + (token.startsWith('[') ? 0 : 1));
  }
  return { deepest, sizes };
}

test('generated expressions keep to the benchmark: length, depth, arguments, no two alike', () => {
  const expressions = generateListops({ seed: 1, count: 60 });
  expect(new Set(expressions).size).toBe(60);
  const shapes = expressions.map(shapeOf);
  for (const expression of expressions) {
    const { length } = encodeListops(expression);
    expect(length).toBeGreaterThan(500);
    expect(length).toBeLessThan(2000);
    expect(evaluateListops(expression)).toBeLessThan(10);
  }
  expect(Math.max(...shapes.map(({ deepest }) => deepest))).toBe(10);
  const sizes = shapes.flatMap((shape) => shape.sizes);
  expect(Math.min(...sizes)).toBe(2);
  expect(Math.max(...sizes)).toBe(10);
  // Every operation as often as the others.
  const tokens = expressions.join(' ').split(' ');
  for (const operation of ['[MIN', '[MAX', '[MED', '[SM']) {
    expect(tokens.filter((token) => token === operation).length / sizes.length).toBeCloseTo(0.25, 1);
  }
  expect(new Set(expressions.flatMap(encodeListops)).size).toBe(listopsTokens.length - 1);
});

test('a seed gives the same expressions, another seed others; bounds that leave nothing are refused', () => {
  const short = { count: 20, minLength: 5, maxLength: 30, maxDepth: 4, maxArguments: 4 };
  expect(generateListops({ seed: 1, ...short })).toEqual(generateListops({ seed: 1, ...short }));
  expect(generateListops({ seed: 2, ...short })).not.toEqual(generateListops({ seed: 1, ...short }));
  expect(() => generateListops({ seed: 1, count: 50, minLength: 0, maxLength: 2, maxDepth: 1 })).toThrow(/count/);
  expect(() => generateListops({ seed: 1, count: 1, minLength: 5, maxLength: 6 })).toThrow(/maxLength/);
});
