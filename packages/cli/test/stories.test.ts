import { expect, test } from 'vitest';
import { orderZeroEntropy } from '../src/data/entropy.ts';
import { candidates, tellStories, tellStory } from '../src/stories/index.ts';
import { deeds } from '../src/stories/words.ts';

const stories = tellStories(7, 600);

test('the same seed and number tell the same story, whatever was told before', () => {
  expect(tellStory(7, 599)).toEqual(stories[599]);
  expect(tellStories(7, 5, 100)).toEqual(stories.slice(100, 105));
});

test('other seeds and numbers tell other stories', () => {
  const texts = new Set([...stories, ...tellStories(8, 600)].map(({ text }) => text));
  expect(texts.size).toBeGreaterThan(1190);
});

test('no slot or alternative is left open, and sentences begin with capitals', () => {
  for (const { text } of stories) {
    expect(text).not.toMatch(/[{}[\]|]|undefined|\s\s/);
    expect(text).toMatch(/^[A-Z].*[.!?"]$/);
    expect(text).not.toMatch(/\. [a-z]/);
  }
});

test('what is to be remembered was said before, at the distance told', () => {
  for (const { text, recalls } of stories) {
    expect(recalls.length).toBeGreaterThan(0);
    for (const { kind, answer, start, distance } of recalls) {
      expect(text.slice(start, start + answer.length)).toBe(answer);
      // A deed is promised in the present and done in the past tense; all else is said in the same words.
      const said = kind === 'promise' ? deeds.find(({ past }) => past === answer)!.base : answer;
      const before = text.slice(0, start - distance);
      expect(before.endsWith(said) || before.endsWith(answer)).toBe(true);
    }
  }
});

test('every kind is asked, over short and long distances', () => {
  const recalls = stories.flatMap((story) => story.recalls);
  for (const kind of Object.keys(candidates)) {
    const ofKind = recalls.filter((recall) => recall.kind === kind);
    expect(ofKind.length).toBeGreaterThan(50);
    // All possible answers occur, and none dominates: the answer cannot be known without the story.
    const counts = new Map<string, number>();
    for (const { answer } of ofKind) counts.set(answer, (counts.get(answer) ?? 0) + 1);
    expect(counts.size).toBe(candidates[kind as keyof typeof candidates]);
    expect(Math.max(...counts.values()) / ofKind.length).toBeLessThan(3 / counts.size);
  }
  expect(recalls.filter(({ distance }) => distance < 50).length).toBeGreaterThan(100);
  expect(recalls.filter(({ distance }) => distance > 300).length).toBeGreaterThan(50);
});

test('the text has the entropy of a text', () => {
  const text = stories.map((story) => story.text).join('\n');
  expect(orderZeroEntropy(text)).toBeGreaterThan(2.8);
  expect(orderZeroEntropy(text)).toBeLessThan(3.3);
});
