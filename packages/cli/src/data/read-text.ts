import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { createBrotliDecompress, createGunzip } from 'node:zlib';
import { FormatError } from '@linattn/math';
import { withFile } from '../errors.ts';

export interface TextFile {
  readonly text: string;
  /** Bytes of text that were read. */
  readonly bytes: number;
  /** The file goes on: only its first `limit` bytes were read. */
  readonly cut: boolean;
}

/** How a file is packed: by its first bytes for gzip, by its name for Brotli (which has no mark of its own). */
async function packing(path: string): Promise<'gzip' | 'brotli' | 'none'> {
  if (path.endsWith('.br')) return 'brotli';
  const file = await open(path);
  try {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(2), 0, 2, 0);
    return bytesRead === 2 && buffer[0] === 0x1f && buffer[1] === 0x8b ? 'gzip' : 'none';
  } finally {
    await file.close();
  }
}

/**
 * Reads UTF-8 text, as it is or packed with gzip or Brotli, into memory: at most `limit` bytes of it (whole characters).
 * @throws FileError when it cannot be read, FormatError when it is empty, damaged, cut short or no text.
 */
export async function readText(path: string, limit: number, argument = '--data'): Promise<TextFile> {
  const { chunks, bytes, cut } = await withFile(argument, path, () => readBytes(path, limit, argument));
  if (bytes === 0) throw new FormatError(argument, `${path} is empty`, { given: path });
  const text = decode(Buffer.concat(chunks, bytes), cut, argument, path);
  if (text.includes('\0')) {
    throw new FormatError(argument, `${path} holds zero bytes: it is no text`, { given: path, expected: 'UTF-8 text' });
  }
  return { text, bytes, cut };
}

async function readBytes(path: string, limit: number, argument: string) {
  const kind = await packing(path);
  const chunks: Buffer[] = [];
  let bytes = 0;
  let cut = false;
  const collect = async (source: AsyncIterable<Buffer>): Promise<void> => {
    for await (const chunk of source) {
      const kept = chunk.subarray(0, limit - bytes);
      chunks.push(kept);
      bytes += kept.length;
      if (kept.length < chunk.length) {
        cut = true;
        return;
      }
    }
  };
  const source = createReadStream(path, { highWaterMark: 1 << 20 });
  try {
    if (kind === 'none') await pipeline(source, collect);
    else await pipeline(source, kind === 'gzip' ? createGunzip() : createBrotliDecompress(), collect);
  } catch (error) {
    // Leaving the loop early closes the stream before its end: wanted when the limit is reached.
    if (!cut) throw unpackingError(error, kind, argument, path);
  }
  return { chunks, bytes, cut };
}

function unpackingError(error: unknown, kind: string, argument: string, path: string): unknown {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  // zlib's own codes: Z_DATA_ERROR, Z_BUF_ERROR (cut short), ERR__ERROR_FORMAT_... and ERR_BROTLI_...
  if (!/^(Z_|ERR_)/.test(code)) return error;
  return new FormatError(argument, `${path} is no whole ${kind} file (damaged or cut short)`, {
    given: path,
    cause: error,
  });
}

function decode(bytes: Buffer, cut: boolean, argument: string, path: string): string {
  try {
    // A cut may fall inside a character: `stream` leaves the part out.
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: cut });
  } catch (cause) {
    throw new FormatError(argument, `${path} is not UTF-8 text`, { given: path, expected: 'UTF-8 text', cause });
  }
}
