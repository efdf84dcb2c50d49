import { ValueError } from '@linattn/math';

/** Parsers of option values: each throws a ValueError that names the option. */

const parser =
  (holds: (value: number) => boolean, expected: string) =>
  (option: string) =>
  (text: string): number => {
    const value = text.trim() === '' ? Number.NaN : Number(text);
    if (!Number.isFinite(value) || !holds(value)) throw new ValueError(option, text, expected);
    return value;
  };

export const count = parser((value) => Number.isInteger(value) && value > 0, 'an integer > 0');
export const countOrZero = parser((value) => Number.isInteger(value) && value >= 0, 'an integer >= 0');
export const positive = parser((value) => value > 0, 'a number > 0');
export const notNegative = parser((value) => value >= 0, 'a number >= 0');
export const share = parser((value) => value > 0 && value < 1, 'a number between 0 and 1');
export const rate = parser((value) => value >= 0 && value < 1, 'a number in [0, 1)');
export const shareOrNone = parser((value) => value >= 0 && value <= 1, 'a number in [0, 1]');
export const shareOrOne = parser((value) => value > 0 && value <= 1, 'a number in (0, 1]');
export const integer = parser((value) => Number.isSafeInteger(value) && value >= 0, 'an integer >= 0');

/** `64MiB`, `1.5GB`, `2000`. */
export const byteSize =
  (option: string) =>
  (text: string): number => {
    const [, number, unit = ''] = /^\s*([\d.]+)\s*([kmgt]i?b|b)?\s*$/i.exec(text) ?? [];
    const power = 'kmgt'.indexOf(unit[0]?.toLowerCase() ?? ' ') + 1;
    const bytes = Number(number) * (/i/i.test(unit) ? 1024 : 1000) ** (unit.toLowerCase() === 'b' ? 0 : power);
    if (!(bytes >= 1)) throw new ValueError(option, text, 'a size such as 64MiB');
    return Math.floor(bytes);
  };

/** `1,1,0.5`: the coefficients a, b and c. */
export const coefficients =
  (option: string) =>
  (text: string): readonly [number, number, number] => {
    const numbers = text.split(',').map((part) => (part.trim() === '' ? Number.NaN : Number(part)));
    if (numbers.length < 2 || numbers.length > 3 || !numbers.every(Number.isFinite)) {
      throw new ValueError(option, text, 'two or three numbers, such as 1,1 or 1,1,0.5');
    }
    const [a, b, c = 0] = numbers;
    return [a, b, c];
  };

export const oneOf =
  <T extends string>(...allowed: readonly T[]) =>
  (option: string) =>
  (text: string): T => {
    const found = allowed.find((candidate) => candidate === text);
    if (found === undefined) throw new ValueError(option, text, allowed.join(' | '));
    return found;
  };
