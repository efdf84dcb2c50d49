import { FormatError } from '@linattn/math';
import type { Labelled } from '@linattn/nn';
import { PNG } from 'pngjs';

/** Pixels of an image of 32 × 32. */
const pixels = 1024;

/** Labels in JSON: an array of digits. @throws FormatError */
export function parseLabels(json: Uint8Array, name: string): number[] {
  let labels: unknown;
  try {
    labels = JSON.parse(Buffer.from(json).toString('utf8'));
  } catch (cause) {
    throw new FormatError(name, 'it is no JSON', { cause });
  }
  if (!Array.isArray(labels) || !labels.every((label) => Number.isInteger(label) && label >= 0 && label < 10)) {
    throw new FormatError(name, 'it is no list of digits');
  }
  return labels;
}

/**
 * CIFAR-10 (Krizhevsky 2009) as a PNG with an image a row, in grey as the Long Range Arena has it: 1,024 values from 0 to 255.
 * @throws FormatError for another picture, or another number of images than labels.
 */
export function greyImages(png: Uint8Array, labels: readonly number[], name: string): Labelled[] {
  const { width, height, data } = decode(png, name);
  if (width !== pixels || height !== labels.length) {
    throw new FormatError(name, `it is ${width} x ${height}, not ${pixels} x ${labels.length}`);
  }
  return labels.map((label, image) => {
    const tokens = new Uint8Array(pixels);
    for (let i = 0; i < pixels; i++) {
      const at = 4 * (image * pixels + i);
      const [red, green, blue] = [data[at], data[at + 1], data[at + 2]];
      tokens[i] = Math.floor(((0.2989 * red + 0.587 * green + 0.114 * blue) / 255) * 255.5);
    }
    return { tokens, label };
  });
}

function decode(png: Uint8Array, name: string): PNG {
  try {
    return PNG.sync.read(Buffer.from(png));
  } catch (cause) {
    throw new FormatError(name, 'it is no whole PNG', { cause });
  }
}
