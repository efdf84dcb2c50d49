import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export const root = join(import.meta.dirname, '../..');

export interface Snippet {
  /** The README, from the root. */
  readonly readme: string;
  readonly line: number;
  readonly language: 'js' | 'ts';
  readonly code: string;
  /** Where its imports are looked up: the README's own package. */
  readonly home: string;
}

const fence = /^```(js|ts)( fragment)?\n(.*?)^```/gms;

/** JavaScript and TypeScript of a README, but for what calls itself a `fragment`: that leans on names the reader has. */
function snippetsOf(readme: string, home: string): Snippet[] {
  const text = readFileSync(join(root, readme), 'utf8');
  return [...text.matchAll(fence)]
    .filter(([, , fragment]) => !fragment)
    .map(({ index, 1: language, 3: code }) => ({
      readme,
      line: text.slice(0, index).split('\n').length,
      language: language as 'js' | 'ts',
      code,
      home,
    }));
}

/** Packages with a README, private ones included. */
const packages = readdirSync(join(root, 'packages'))
  .map((name) => `packages/${name}`)
  .filter((folder) => existsSync(join(root, folder, 'README.md')));

/** The site's own pages. */
const pages = readdirSync(join(root, 'docs'))
  .filter((name) => name.endsWith('.md'))
  .map((name) => `docs/${name}`);

export const snippets: readonly Snippet[] = [
  ...snippetsOf('README.md', 'tests/readme'),
  ...pages.flatMap((page) => snippetsOf(page, 'docs')),
  ...packages.flatMap((folder) => snippetsOf(`${folder}/README.md`, folder)),
];
