import { type Tensor, tensor } from '@linattn/math';
import { float64Backend } from '@linattn/math/float64';
import { expect, test } from 'vitest';
import { bytesTokenizer } from '../src/data/tokenizer.ts';
import { tellStories } from '../src/stories/index.ts';
import { scoreRecall } from '../src/stories/recall.ts';

const stories = tellStories(3, 24);

/** A model whose likeliest next token `guess` tells from the row so far. */
function modelThat(guess: (row: number[], position: number) => number) {
  const backend = float64Backend();
  const logits = (tokens: Tensor) => {
    const [rows, length] = tokens.shape;
    const ids = [...(tokens.handle as Int32Array)];
    const values = new Float64Array(rows * length * 256);
    for (let r = 0; r < rows; r++) {
      const row = ids.slice(r * length, (r + 1) * length);
      for (let i = 0; i < length; i++) values[(r * length + i) * 256 + guess(row, i)] = 1;
    }
    return tensor(backend, values, [rows, length, 256]);
  };
  return { backend, config: { vocabSize: 256 }, logits };
}

const asked = stories.reduce((sum, { recalls }) => sum + recalls.length, 0);

test('a model that knows the next token remembers everything', async () => {
  const model = modelThat((row, i) => row[i + 1] ?? 0);
  const { all, byKind, byDistance } = await scoreRecall(model, bytesTokenizer, stories, { batchSize: 5 });
  expect(all).toEqual({ right: asked, total: asked });
  for (const { right, total } of [...Object.values(byKind), ...byDistance]) expect(right).toBe(total);
  expect(byDistance.reduce((sum, { total }) => sum + total, 0)).toBe(asked);
  expect(byKind.name.chance).toBe(1 / 16);
  expect(model.backend.memory().buffers).toBe(0);
});

test('one wrong token makes an answer wrong, and other places do not count', async () => {
  const { text, recalls } = stories[0];
  const [first] = recalls;
  // Bytes after the end-of-text token: token i + 1 of the row is character i.
  const wrongAt = (character: number) =>
    modelThat((row, i) =>
      row.slice(1, 21).join() === [...Buffer.from(text.slice(0, 20))].join() && i === character ? 1 : (row[i + 1] ?? 0),
    );
  const inAnswer = await scoreRecall(wrongAt(first.start + first.answer.length - 1), bytesTokenizer, [stories[0]]);
  expect(inAnswer.all).toEqual({ right: recalls.length - 1, total: recalls.length });
  const elsewhere = await scoreRecall(wrongAt(2), bytesTokenizer, [stories[0]]);
  expect(elsewhere.all.right).toBe(recalls.length);
});

test('a model that always says the same remembers nothing', async () => {
  const { all } = await scoreRecall(
    modelThat(() => 65),
    bytesTokenizer,
    stories,
  );
  expect(all).toEqual({ right: 0, total: asked });
});
