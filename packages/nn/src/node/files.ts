import { readFile } from 'node:fs/promises';
import { FormatError } from '@linattn/math';
import { readSafetensors, type SafetensorsFile } from '../checkpoint/safetensors.ts';

/** The bytes of a file. @throws FormatError when it is missing or cannot be read. */
export async function readBytes(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (cause) {
    const { code } = cause as { code?: string };
    throw new FormatError(path, code === 'ENOENT' ? 'there is no such file' : `it cannot be read (${code})`, { cause });
  }
}

/** A JSON file. @throws FormatError when it is missing or no JSON. */
export async function readJSON(path: string): Promise<unknown> {
  const bytes = await readBytes(path);
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new FormatError(path, 'it is no JSON', { cause });
  }
}

/** A safetensors file. @throws FormatError naming the file and the tensor at fault. */
export const loadSafetensors = async (path: string): Promise<SafetensorsFile> =>
  readSafetensors(await readBytes(path), path);
