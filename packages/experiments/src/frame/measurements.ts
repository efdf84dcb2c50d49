import { type FileHandle, open, readFile } from 'node:fs/promises';
import { FormatError } from '@linattn/math';
import { writeAtomically } from '@linattn/nn/node';
import { OtherRunError } from './errors.ts';
import type { Measurement } from './experiment.ts';
import { fromJson, toJson } from './json.ts';

/** What decides a run: measurements taken under another header are not this run's. */
export type Header = Readonly<Record<string, unknown>>;

/** The measurements of a run: a JSON object a line, the header first, appended as they are made. */
export class Measurements<V> {
  readonly #file: FileHandle;
  readonly #byKey: Map<string, Measurement<V>>;

  private constructor(file: FileHandle, found: readonly Measurement<V>[]) {
    this.#file = file;
    this.#byKey = new Map(found.map((measurement) => [measurement.key, measurement]));
  }

  /**
   * Opens the file, with what was measured before; a last line cut short by a kill is taken out.
   * @throws OtherRunError when it has another header, FormatError when it is no such file.
   */
  static async open<V>(path: string, header: Header): Promise<Measurements<V>> {
    const found = await read<V>(path, header);
    await writeAtomically(path, [header, ...found].map(line).join(''));
    return new Measurements(await open(path, 'a'), found);
  }

  get(key: string): Measurement<V> | undefined {
    return this.#byKey.get(key);
  }

  async add(measurement: Measurement<V>): Promise<void> {
    await this.#file.appendFile(line(measurement));
    this.#byKey.set(measurement.key, measurement);
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

const line = (value: unknown): string => `${toJson(value)}\n`;

async function read<V>(path: string, header: Header): Promise<Measurement<V>[]> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '';
    throw error;
  });
  const lines = text.split('\n').filter((each) => each !== '');
  if (lines.length === 0) return [];
  const whole = lines.flatMap((each, i) => {
    try {
      return [fromJson(each)];
    } catch (cause) {
      if (i === lines.length - 1 && i > 0) return [];
      throw new FormatError('measurements', `${path}: line ${i + 1} is no JSON`, { given: path, cause });
    }
  });
  const [first, ...rest] = whole as [Header, ...Measurement<V>[]];
  const expected = fromJson(line(header)) as Header;
  for (const name of new Set([...Object.keys(expected), ...Object.keys(first)])) {
    const [there, here] = [first[name], expected[name]].map((value) => JSON.stringify(value) ?? 'nothing');
    if (there !== here) throw new OtherRunError(path, `${name} is ${there} there, ${here} here`);
  }
  return rest;
}
