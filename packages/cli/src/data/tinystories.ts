import { join } from 'node:path';
import { cacheFolder } from './cache.ts';
import { type DownloadOptions, download, type RemoteFile } from './download.ts';

// A fixed revision, so that the checksums stay right.
const revision = 'f54c09fd23315a6f9c86f9dc80f725de7d8f9c64';

const files = {
  tinystories: {
    name: 'TinyStoriesV2-GPT4-valid.txt',
    bytes: 22_502_601,
    sha256: '6874bae9a4c1a4e7edcf0e53b86c17817e9cf881fc75ff2368da457b80c0585d',
  },
  'tinystories-train': {
    name: 'TinyStoriesV2-GPT4-train.txt',
    bytes: 2_227_753_162,
    sha256: '6418d412de72888f52b5142c761ac21a582f7d1166f0bfbdb5f03ccfdec90443',
  },
} as const;

export type TinyStoriesName = keyof typeof files;

export const isTinyStories = (name: string): name is TinyStoriesName => Object.hasOwn(files, name);

/**
 * TinyStories (Eldan & Li 2023, CDLA-Sharing-1.0), version 2, from Hugging Face or the mirror that `HF_ENDPOINT` names: `tinystories` is the smaller file
 * (22.5 MB, the data set's validation part), `tinystories-train` the large one (2.2 GB).
 */
export function tinyStoriesFile(name: TinyStoriesName, environment: NodeJS.ProcessEnv = process.env): RemoteFile {
  const { name: file, bytes, sha256 } = files[name];
  const endpoint = (environment.HF_ENDPOINT || 'https://huggingface.co').replace(/\/+$/, '');
  return { url: `${endpoint}/datasets/roneneldan/TinyStories/resolve/${revision}/${file}`, bytes, sha256 };
}

/** Downloads the file unless it is in the cache, and tells its path. */
export async function fetchTinyStories(name: TinyStoriesName, options: DownloadOptions = {}): Promise<string> {
  const path = join(cacheFolder(), 'tinystories', files[name].name);
  await download(tinyStoriesFile(name), path, options);
  return path;
}
