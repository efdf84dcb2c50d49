import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { FormatError } from '@linattn/math';
import { describe, expect, test } from 'vitest';
import { splitDocuments, splitValidation } from '../src/data/documents.ts';
import { countCharacters, orderZeroEntropy } from '../src/data/entropy.ts';
import { readText } from '../src/data/read-text.ts';
import { FileError, withFile } from '../src/errors.ts';
import { temporaryFolder } from './support/cli.ts';

const text = 'naïve café 日本語 🙂\n'.repeat(5000);

function file(name: string, content: string | Uint8Array): string {
  const path = join(temporaryFolder(), name);
  writeFileSync(path, content);
  return path;
}

describe('reading text', () => {
  test.each([
    ['plain.txt', Buffer.from(text)],
    ['packed.txt.gz', gzipSync(text)],
    ['packed without the name', gzipSync(text)],
    ['packed.txt.br', brotliCompressSync(text)],
  ])('%s', async (name, content) => {
    expect(await readText(file(name, content), 1e9)).toEqual({ text, bytes: Buffer.byteLength(text), cut: false });
  });

  test.each(['.txt', '.txt.gz', '.txt.br'])('at most the limit of a %s file, in whole characters', async (ending) => {
    const content = ending === '.txt' ? text : ending === '.txt.gz' ? gzipSync(text) : brotliCompressSync(text);
    const path = file(`text${ending}`, content);
    for (let limit = 100; limit < 104; limit++) {
      const read = await readText(path, limit);
      expect(read.cut).toBe(true);
      expect(text.startsWith(read.text)).toBe(true);
      expect(Buffer.byteLength(read.text)).toBeGreaterThan(limit - 4);
      expect(Buffer.byteLength(read.text)).toBeLessThanOrEqual(limit);
    }
  });

  test.each([
    ['cut.txt.gz', gzipSync(text).subarray(0, 200), /no whole gzip file/],
    ['damaged.txt.gz', Buffer.concat([gzipSync(text).subarray(0, 100), Buffer.alloc(300, 7)]), /no whole gzip file/],
    ['cut.txt.br', brotliCompressSync(text).subarray(0, 20), /no whole brotli file/],
    ['not.txt.br', Buffer.from('this is no Brotli'), /no whole brotli file/],
    ['empty.txt', Buffer.alloc(0), /is empty/],
    ['latin1.txt', Buffer.from('caf\u00e9 au lait', 'latin1'), /is not UTF-8 text/],
    ['binary.bin', Buffer.from([72, 105, 0, 1]), /zero bytes/],
  ])('%s is refused', async (name, content, message) => {
    const reading = readText(file(name, content), 1e9);
    await expect(reading).rejects.toThrow(FormatError);
    await expect(reading).rejects.toThrow(message);
    await expect(reading).rejects.toMatchObject({ code: 'FORMAT', argument: '--data' });
  });

  test('a missing file and a folder are refused, naming the argument', async () => {
    const folder = temporaryFolder();
    const missing = readText(join(folder, 'none.txt'), 1e9, '--validation-data');
    await expect(missing).rejects.toThrow(FileError);
    await expect(missing).rejects.toThrow(/^--validation-data: .*none\.txt: no such file or folder$/);
    await expect(readText(folder, 1e9)).rejects.toThrow(/it is a folder, not a file$/);
  });

  test('what the system refuses is said in words', async () => {
    for (const [code, words] of [
      ['ENOSPC', 'no space left on the disk'],
      ['EACCES', 'permission denied'],
      ['EROFS', 'the disk is read-only'],
    ]) {
      const refusal = Object.assign(new Error(code), { code, syscall: 'write' });
      const action = withFile('--out', '/runs/1', () => Promise.reject(refusal));
      await expect(action).rejects.toThrow(`--out: /runs/1: ${words}`);
      await expect(action).rejects.toMatchObject({ code: 'FILE', argument: '--out', cause: refusal });
    }
  });
});

describe('parting text', () => {
  test('documents are parted by their separator and trimmed', () => {
    expect(splitDocuments('One.\n<|endoftext|>\nTwo.\n\nStill two.\n<|endoftext|>\n')).toEqual([
      'One.',
      'Two.\n\nStill two.',
    ]);
  });

  test('whole documents are kept for validation where there are many', () => {
    const documents = Array.from({ length: 100 }, (_, i) => `document ${i} `.repeat(10));
    const { training, validation } = splitValidation(documents, 0.1);
    expect([...training, ...validation]).toEqual(documents);
    expect(validation.length).toBeGreaterThanOrEqual(9);
    expect(validation.length).toBeLessThanOrEqual(11);
  });

  test('of one long document, the last lines', () => {
    const lines = Array.from({ length: 1000 }, (_, i) => `line ${i}\n`).join('');
    const { training, validation } = splitValidation([lines], 0.1);
    expect(training[0] + validation[0]).toBe(lines);
    expect(validation[0]).toMatch(/^line 9\d\d\n/);
  });

  test('a text of one character cannot be parted', () => {
    expect(() => splitValidation(['x'], 0.05)).toThrow(FormatError);
  });
});

test('order-0 entropy', () => {
  expect(orderZeroEntropy('aaaa')).toBe(0);
  expect(orderZeroEntropy('abab')).toBeCloseTo(Math.LN2, 14);
  expect(orderZeroEntropy('aab')).toBeCloseTo(-(2 / 3) * Math.log(2 / 3) - (1 / 3) * Math.log(1 / 3), 14);
  // Characters, not UTF-16 units.
  expect(orderZeroEntropy('🙂🙃')).toBeCloseTo(Math.LN2, 14);
  expect(countCharacters('a🙂')).toBe(2);
});
