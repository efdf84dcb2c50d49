import { FormatError } from '@linattn/math';
import { expect, test } from 'vitest';
import { parseReviews, sameFilm, sentiment } from '../src/table-1/data/imdb.ts';

const lines = Array.from(
  { length: 12 },
  (_, i) => `${i % 2}\t${i % 2 ? 9 : 2}\ttt${i % 3}\treview ${i} of film ${i % 3}é`,
);
const reviews = parseReviews(Buffer.from(`${lines.join('\n')}\n`), 'imdb-train.tsv');

test('reviews are bytes with a label, cut at the limit', () => {
  expect(reviews).toHaveLength(12);
  const [first, second] = sentiment(reviews, 8);
  expect(first).toEqual({ tokens: Buffer.from('review 0'), label: 0 });
  expect(second.label).toBe(1);
  expect(sentiment(reviews, 100)[0].tokens).toHaveLength(Buffer.byteLength('review 0 of film 0é'));
});

test('pairs: two reviews with a 0 between, of one film or of two, never one review twice', () => {
  const pairs = sameFilm(reviews, { seed: 1, count: 300, limit: 61 });
  let same = 0;
  for (const { tokens, label } of pairs) {
    const text = Buffer.from(Uint8Array.from(tokens)).toString('utf8');
    const [a, b] = text.split('\0');
    expect(label).toBe(a.at(-2) === b.at(-2) ? 1 : 0);
    expect(a).not.toBe(b);
    expect(tokens.length).toBeLessThanOrEqual(61);
    same += label;
  }
  expect(same).toBeGreaterThan(110);
  expect(same).toBeLessThan(190);
});

test('a damaged line is named', () => {
  const parse = (bad: string) => parseReviews(Buffer.from(`${lines[0]}\n${bad}\n`), 'file');
  for (const bad of ['2\t1\tf\ttext', '1\t1\tf', '1\t1\t\ttext', '1\t1\tf\ta\tb']) {
    expect(() => parse(bad)).toThrow(FormatError);
    expect(() => parse(bad)).toThrow(/line 2/);
  }
});
