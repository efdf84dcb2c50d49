import { FormatError } from '@linattn/math';
import { PNG } from 'pngjs';
import { expect, test } from 'vitest';
import { greyImages, parseLabels } from '../src/table-1/data/cifar.ts';

function picture(height: number): Buffer {
  const png = new PNG({ width: 1024, height });
  png.data.fill(255);
  // The second image is pure red, then pure green, then black.
  for (let i = 0; i < 1024 && height > 1; i++) {
    const at = 4 * (1024 + i);
    png.data.set(i < 10 ? [255, 0, 0] : i < 20 ? [0, 255, 0] : [0, 0, 0], at);
  }
  return PNG.sync.write(png, { colorType: 2 });
}

test('an image a row, in grey', () => {
  const [first, second] = greyImages(picture(2), [7, 0], 'batch.png');
  expect(first.label).toBe(7);
  expect(new Set(Array.from(first.tokens))).toEqual(new Set([255]));
  // floor(0.2989 · 255.5), floor(0.587 · 255.5)
  expect([second.tokens[0], second.tokens[10], second.tokens[20]]).toEqual([76, 149, 0]);
});

test('another picture, and labels that are none, are refused', () => {
  expect(() => greyImages(picture(2), [1], 'batch.png')).toThrow(/1024 x 2, not 1024 x 1/);
  expect(() => greyImages(picture(1).subarray(0, 40), [1], 'batch.png')).toThrow(FormatError);
  expect(parseLabels(Buffer.from('[1, 2]'), 'l')).toEqual([1, 2]);
  for (const bad of ['[1, 11]', '{}', '[']) expect(() => parseLabels(Buffer.from(bad), 'l')).toThrow(FormatError);
});
