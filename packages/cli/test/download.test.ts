import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { cacheFolder } from '../src/data/cache.ts';
import { download, type RemoteFile } from '../src/data/download.ts';
import { tinyStoriesFile } from '../src/data/tinystories.ts';
import { DownloadError, FileError } from '../src/errors.ts';
import { temporaryFolder } from './support/cli.ts';

const content = Buffer.from('Once upon a time there was a file.\n'.repeat(20_000));

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const file = (url: string): RemoteFile => ({
  url: `${url}/file.txt`,
  bytes: content.length,
  sha256: createHash('sha256').update(content).digest('hex'),
});

/** Whatever happened, nothing half-written is left. */
function expectNothingIn(folder: string): void {
  expect(existsSync(folder) ? readdirSync(folder) : []).toEqual([]);
}

test('a file is brought once, through a redirection, and found in the cache afterwards', async () => {
  let requests = 0;
  const url = await serve((request, response) => {
    requests++;
    if (request.url === '/file.txt') response.writeHead(302, { location: '/stored' }).end();
    else response.end(content);
  });
  const path = join(temporaryFolder(), 'new', 'folder', 'file.txt');
  const seen: number[] = [];
  await download(file(url), path, { onProgress: (received) => seen.push(received) });
  expect(readFileSync(path).equals(content)).toBe(true);
  expect(seen.at(-1)).toBe(content.length);
  expect(readdirSync(join(path, '..'))).toEqual(['file.txt']);
  await download(file(url), path);
  expect(requests).toBe(2);
});

test('a damaged file in the cache is brought anew', async () => {
  const url = await serve((_, response) => response.end(content));
  const path = join(temporaryFolder(), 'file.txt');
  writeFileSync(path, Buffer.from(content).fill(65, 0, 1));
  await download(file(url), path);
  expect(readFileSync(path).equals(content)).toBe(true);
});

test.each<[string, RequestListener, RegExp]>([
  ['404', (_, response) => response.writeHead(404).end('nothing here'), /the server answered 404 Not Found$/],
  ['500', (_, response) => response.writeHead(500).end(), /the server answered 500/],
  [
    'another file of the same size',
    (_, response) => response.end(Buffer.from(content).fill(65, 100, 101)),
    /wrong checksum: SHA-256 [0-9a-f]{64}, expected [0-9a-f]{64}$/,
  ],
  [
    'a shorter file',
    (_, response) => response.end(content.subarray(0, 1000)),
    /the connection ended after 1000 of 700000 bytes$/,
  ],
  [
    'a longer file',
    (_, response) => response.end(Buffer.concat([content, content])),
    /sends more than the 700000 bytes expected$/,
  ],
  [
    'a connection that is cut',
    (_, response) => {
      response.writeHead(200, { 'content-length': content.length });
      response.write(content.subarray(0, 5000), () => response.socket?.destroy());
    },
    /./,
  ],
])('%s is an error that names the address, and leaves nothing', async (_, listener, message) => {
  const url = await serve(listener);
  const folder = temporaryFolder();
  const bringing = download(file(url), join(folder, 'file.txt'));
  await expect(bringing).rejects.toThrow(DownloadError);
  await expect(bringing).rejects.toThrow(message);
  await expect(bringing).rejects.toThrow(`${url}/file.txt: `);
  expectNothingIn(folder);
});

test('a server that is not there is an error that says so', async () => {
  const folder = temporaryFolder();
  const bringing = download(
    { ...file('http://127.0.0.1:1'), url: 'http://127.0.0.1:1/file.txt' },
    join(folder, 'file.txt'),
  );
  await expect(bringing).rejects.toThrow(DownloadError);
  expectNothingIn(folder);
});

test('a file that may not be written is an error that names the path', async () => {
  const url = await serve((_, response) => response.end(content));
  const folder = temporaryFolder();
  writeFileSync(join(folder, 'taken'), '');
  await expect(download(file(url), join(folder, 'taken', 'file.txt'))).rejects.toThrow(FileError);
  expect(readdirSync(folder)).toEqual(['taken']);
});

test('stopping leaves nothing', async () => {
  const url = await serve((_, response) => {
    response.writeHead(200);
    response.write(content.subarray(0, 1000));
  });
  const folder = temporaryFolder();
  const controller = new AbortController();
  const bringing = download(file(url), join(folder, 'file.txt'), {
    signal: controller.signal,
    onProgress: () => controller.abort(),
  });
  await expect(bringing).rejects.toMatchObject({ name: 'AbortError' });
  expectNothingIn(folder);
});

test('TinyStories is a fixed revision at Hugging Face, or at a mirror', () => {
  expect(tinyStoriesFile('tinystories', {}).url).toMatch(
    /^https:\/\/huggingface\.co\/datasets\/roneneldan\/TinyStories\/resolve\/[0-9a-f]{40}\/TinyStoriesV2-GPT4-valid\.txt$/,
  );
  expect(tinyStoriesFile('tinystories-train', { HF_ENDPOINT: 'https://mirror.example/' }).url).toMatch(
    /^https:\/\/mirror\.example\/datasets\/.*-train\.txt$/,
  );
});

test('the cache goes where the system keeps caches', () => {
  expect(cacheFolder({ XDG_CACHE_HOME: '/somewhere' })).toBe(join('/somewhere', 'linattn'));
  expect(cacheFolder({})).toMatch(/linattn/);
});
