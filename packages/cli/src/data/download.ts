import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { DownloadError, withFile } from '../errors.ts';

export interface RemoteFile {
  readonly url: string;
  readonly bytes: number;
  /** Lower-case hexadecimal. */
  readonly sha256: string;
}

export interface DownloadOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (received: number, total: number) => void;
}

async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

/** The file at `path` has the size and checksum of `file`. */
async function isWhole(path: string, file: RemoteFile): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found?.size === file.bytes && (await sha256Of(path)) === file.sha256;
}

/**
 * Brings `file` to `path`, unless it is there already with the right checksum. It is written under another name first and moved into place once
 * size and checksum are right: `path` is never half a file, and nothing is left behind on failure.
 * @throws DownloadError, FileError.
 */
export async function download(file: RemoteFile, path: string, options: DownloadOptions = {}): Promise<void> {
  await withFile('--data', path, async () => {
    if (await isWhole(path, file)) return;
    await mkdir(dirname(path), { recursive: true });
    const partial = `${path}.${process.pid}.partial`;
    try {
      await receive(file, partial, options);
      await rename(partial, path);
    } finally {
      await rm(partial, { force: true });
    }
  });
}

async function receive(file: RemoteFile, path: string, { signal, onProgress }: DownloadOptions): Promise<void> {
  const { url, bytes, sha256 } = file;
  const response = await reach(() => fetch(url, { signal }), url);
  if (!response.ok || !response.body)
    throw new DownloadError(url, `the server answered ${response.status} ${response.statusText}`.trim());
  const hash = createHash('sha256');
  let received = 0;
  const target = await open(path, 'w');
  try {
    const reader = response.body.getReader();
    for (;;) {
      const { done, value } = await reach(() => reader.read(), url);
      if (done) break;
      received += value.length;
      if (received > bytes) {
        await reader.cancel();
        throw new DownloadError(url, `the server sends more than the ${bytes} bytes expected`);
      }
      hash.update(value);
      await target.write(value);
      onProgress?.(received, bytes);
    }
    if (received < bytes) throw new DownloadError(url, `the connection ended after ${received} of ${bytes} bytes`);
    const found = hash.digest('hex');
    if (found !== sha256) throw new DownloadError(url, `wrong checksum: SHA-256 ${found}, expected ${sha256}`);
    await target.sync();
  } finally {
    await target.close();
  }
}

async function reach<T>(action: () => Promise<T>, url: string): Promise<T> {
  try {
    return await action();
  } catch (error) {
    if (error instanceof Error && error.name === 'AbortError') throw error;
    // fetch hides the reason (ECONNREFUSED, ENOTFOUND, ...) in `cause`.
    const { cause } = error as { cause?: unknown };
    throw new DownloadError(url, cause instanceof Error ? cause.message || String(cause) : String(error), error);
  }
}
