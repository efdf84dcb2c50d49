import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { FormatError, ValueError } from '@linattn/math';
import { describe, expect, test } from 'vitest';
import { bytesTokenizer, checkTokenizerFits, loadTokenizer, tokenizerFromJson } from '../src/data/tokenizer.ts';
import { FileError } from '../src/errors.ts';
import { temporaryFolder } from './support/cli.ts';
import { sharedFile } from './support/shared.ts';
import { tinyTokenizer } from './support/tiny-tokenizer.ts';

describe('bytes', () => {
  test('text there and back', () => {
    for (const text of ['', 'plain', 'naïve 日本語 🙂\r\n\t']) {
      expect(bytesTokenizer.decode([...bytesTokenizer.encode(text)])).toBe(text);
    }
    expect([...bytesTokenizer.encode('é')]).toEqual([0xc3, 0xa9]);
  });

  test('half a character and the end of text are shown', () => {
    expect(bytesTokenizer.decode([0xc3])).toBe('\ufffd');
    expect(bytesTokenizer.decode([97, bytesTokenizer.endOfText])).toBe('a<|endoftext|>');
  });
});

describe('tokenizer.json', () => {
  test('merges are applied, and undone', async () => {
    const tokenizer = await tokenizerFromJson(JSON.stringify(tinyTokenizer), 'tiny');
    expect(tokenizer).toMatchObject({ vocabSize: 8, endOfText: 0 });
    expect(tokenizer.encode('abc ab.')).toEqual([5, 3, 6, 7]);
    expect(tokenizer.decode([5, 3, 6, 7])).toBe('abc ab.');
    expect(tokenizer.decode([])).toBe('');
  });

  test("GPT-NeoX's agrees with its test vectors", async ({ skip }) => {
    const [file, vectors] = ['20B_tokenizer.json.br', 'neox-test-vectors.json'].map((name) =>
      sharedFile(`tokenizers/${name}`),
    );
    if (!file || !vectors) return skip('../shared is not here');
    const tokenizer = await loadTokenizer(file);
    expect(tokenizer).toMatchObject({ vocabSize: 50277, endOfText: 0 });
    const cases = JSON.parse(readFileSync(vectors, 'utf8')).vectors as {
      text: string;
      ids: number[];
      decoded: string;
    }[];
    expect(cases.length).toBeGreaterThan(10);
    for (const { text, ids, decoded } of cases) {
      expect(tokenizer.encode(text)).toEqual(ids);
      expect(tokenizer.decode(ids)).toBe(decoded);
    }
  });

  test.each([
    ['{"model": ', 'is not JSON'],
    ['[1, 2]', 'is no tokenizer.json'],
    ['{"model": {"type": "Nonsense"}}', 'is no tokenizer.json'],
    [
      JSON.stringify({
        ...tinyTokenizer,
        added_tokens: [],
        model: { ...tinyTokenizer.model, vocab: { a: 0 }, merges: [] },
      }),
      'has no token <|endoftext|>',
    ],
  ])('%.30s is refused', async (source, message) => {
    const loading = tokenizerFromJson(source, 'some.json');
    await expect(loading).rejects.toThrow(FormatError);
    await expect(loading).rejects.toThrow(message);
    await expect(loading).rejects.toMatchObject({ argument: '--tokenizer' });
  });

  test('a missing file is refused', async () => {
    await expect(loadTokenizer(join(temporaryFolder(), 'none.json'))).rejects.toThrow(FileError);
  });

  test('a file is read as it is or packed', async () => {
    const path = join(temporaryFolder(), 'tokenizer.json');
    writeFileSync(path, JSON.stringify(tinyTokenizer));
    expect((await loadTokenizer(path)).vocabSize).toBe(8);
  });
});

test('a tokenizer larger than the model is refused', () => {
  expect(() => checkTokenizerFits(bytesTokenizer, 256)).not.toThrow();
  expect(() => checkTokenizerFits(bytesTokenizer, 255)).toThrow(ValueError);
  expect(() => checkTokenizerFits(bytesTokenizer, 255)).toThrow(
    "--tokenizer: expected at most the model's 255 tokens, given bytes with 256 tokens",
  );
});
