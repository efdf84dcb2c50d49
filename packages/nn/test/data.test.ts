import { ShapeError, ValueError } from '@linattn/math';
import { describe, expect, test } from 'vitest';
import {
  type Batch,
  type BatchSource,
  labelled,
  pairs,
  sampledWindows,
  sequentialWindows,
  withPrefix,
} from '../src/index.ts';

const stream = Uint16Array.from({ length: 50 }, (_, i) => i);

function all(source: BatchSource, batchSize: number, seqLen: number): Batch[] {
  const batches: Batch[] = [];
  for (let batch: Batch | undefined; (batch = source.batch(batches.length, batchSize, seqLen)); ) batches.push(batch);
  return batches;
}

describe('windows', () => {
  test('sampled rows are runs of the stream with the next tokens as targets, from all places alike', () => {
    const source = sampledWindows(stream, { seed: 3 });
    const starts = new Array<number>(44).fill(0);
    for (let index = 0; index < 1100; index++) {
      const { tokens, targets, shape } = source.batch(index, 4, 6)!;
      expect(shape).toEqual([4, 6]);
      for (let row = 0; row < 4; row++) {
        const start = tokens[row * 6];
        starts[start]++;
        const run = (from: Int32Array, first: number) =>
          from.subarray(row * 6, row * 6 + 6).every((token, i) => token === first + i);
        expect(run(tokens, start) && run(targets, start + 1)).toBe(true);
      }
    }
    // 44 places, 100 expected each: chi-squared with 43 degrees of freedom stays under 76 in 99.9 % of cases.
    const chi2 = starts.reduce((sum, count) => sum + (count - 100) ** 2 / 100, 0);
    expect(chi2).toBeLessThan(76);
    expect(chi2).toBeGreaterThan(10);
  });

  test('a batch is a function of seed and index', () => {
    const [source, again, other] = [3, 3, 4].map((seed) => sampledWindows(stream, { seed }));
    expect(source.batch(17, 4, 6)).toEqual(again.batch(17, 4, 6));
    expect(source.batch(17, 4, 6)).not.toEqual(source.batch(18, 4, 6));
    expect(source.batch(17, 4, 6)).not.toEqual(other.batch(17, 4, 6));
  });

  test.each([
    [3, 7],
    [7, 7],
    [2, 49],
    [2, 100],
    [1, 1],
  ])('sequential batches of %i rows of %i predict every token but the first once', (batchSize, seqLen) => {
    const batches = all(sequentialWindows(stream), batchSize, seqLen);
    expect(batches.flatMap(({ targets }) => [...targets])).toEqual([...stream].slice(1));
    for (const { tokens, targets } of batches) expect([...targets]).toEqual([...tokens].map((token) => token + 1));
  });

  test('a stream that is too short is refused', () => {
    expect(() => sampledWindows(stream).batch(0, 1, 50)).toThrow(ShapeError);
    expect(sampledWindows(stream).batch(0, 1, 49)!.tokens[0]).toBe(0);
    expect(() => sequentialWindows([1]).batch(0, 1, 1)).toThrow(ShapeError);
  });
});

test('a prefix carries no loss, but its last token predicts what follows', () => {
  const { weights, prefix } = withPrefix(sequentialWindows(stream), 3).batch(0, 2, 5)!;
  expect(prefix).toBe(3);
  expect([...weights!]).toEqual([0, 0, 1, 1, 1, 0, 0, 1, 1, 1]);
  expect(() => withPrefix(sequentialWindows(stream), 6).batch(0, 2, 5)).toThrow(ValueError);
  expect(() => withPrefix(sequentialWindows(stream), 0)).toThrow(ValueError);
});

describe('pairs', () => {
  const examples = [
    { condition: [1, 2], continuation: [3, 4, 5] },
    { condition: [6], continuation: [7] },
    { condition: [8, 9], continuation: [10] },
  ];

  test('one pass: rows of one condition length, weights at the positions that predict the continuation', () => {
    expect(all(pairs(examples, { order: 'sequential' }), 2, 16)).toEqual([
      {
        tokens: Int32Array.of(1, 2, 3, 4, 8, 9, 0, 0),
        targets: Int32Array.of(2, 3, 4, 5, 9, 10, 0, 0),
        weights: Float64Array.of(0, 1, 1, 1, 0, 1, 0, 0),
        shape: [2, 4],
        prefix: 2,
      },
      { tokens: Int32Array.of(6), targets: Int32Array.of(7), weights: Float64Array.of(1), shape: [1, 1], prefix: 1 },
    ]);
  });

  test('sampled: every example is as likely', () => {
    const source = pairs(examples, { seed: 1 });
    const counts = new Map<number, number>();
    for (let index = 0; index < 600; index++) {
      const { tokens, shape } = source.batch(index, 2, 16)!;
      for (const first of [tokens[0], tokens[shape[1]]]) counts.set(first, (counts.get(first) ?? 0) + 1);
    }
    for (const first of [1, 6, 8]) expect(Math.abs(counts.get(first)! - 400)).toBeLessThan(80);
  });

  test('long rows are cut; a condition that leaves no room is refused', () => {
    expect(pairs(examples.slice(0, 1)).batch(0, 1, 3)!.tokens).toEqual(Int32Array.of(1, 2, 3));
    expect(() => pairs(examples.slice(0, 1)).batch(0, 1, 1)).toThrow(ShapeError);
    expect(() => pairs([])).toThrow(ValueError);
    expect(() => pairs([{ condition: [], continuation: [1] }])).toThrow(/examples\[0\]/);
  });
});

test('labelled rows are filled up, and the fill has weight 0', () => {
  const source = labelled(
    [
      { tokens: [1, 2, 3], label: 1 },
      { tokens: [4], label: 0 },
      { tokens: [5, 6], label: 2 },
    ],
    { order: 'sequential', padding: 9 },
  );
  expect(all(source, 2, 8)).toEqual([
    {
      tokens: Int32Array.of(1, 2, 3, 4, 9, 9),
      weights: Float64Array.of(1, 1, 1, 1, 0, 0),
      targets: Int32Array.of(1, 0),
      shape: [2, 3],
    },
    { tokens: Int32Array.of(5, 6), weights: Float64Array.of(1, 1), targets: Int32Array.of(2), shape: [1, 2] },
  ]);
});
