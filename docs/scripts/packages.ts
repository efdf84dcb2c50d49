import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, normalize } from 'node:path';
import { packages, root } from './repository.ts';

// READMEs as pages of the site: their links lead to files of the repository, and are turned to the pages made of them.

const pages: Readonly<Record<string, string>> = {
  'README.md': '/',
  'FEATURES.md': '/features',
  'docs/interchange.md': '/interchange',
  'docs/verify.md': '/verify',
  ...Object.fromEntries(
    packages.flatMap(({ folder }) =>
      ['', '/README.md'].map((file) => [`packages/${folder}${file}`, `/packages/${folder}`]),
    ),
  ),
};

const { GITHUB_REPOSITORY: repository, GITHUB_SERVER_URL: server = 'https://github.com' } = process.env;

/** Where a link of a file in `folder` leads on the site; files without a page are in the repository, where that is known. */
function target(folder: string, link: string): string | undefined {
  if (/^(https?:|#)/.test(link)) return link;
  const [path, anchor] = link.split('#');
  const file = normalize(join(folder, path)).replace(/\/$/, '');
  const page = pages[file] ?? (repository && `${server}/${repository}/blob/main/${file}`);
  return page && (anchor ? `${page}#${anchor}` : page);
}

/** Links in Markdown, but not images. */
const links = /(?<!!)\[([^\][]*)\]\(([^)\s]+)\)/g;

export function writePackagePages(): void {
  const to = join(root, 'docs/packages');
  mkdirSync(to, { recursive: true });
  for (const { folder, name } of packages) {
    const text = readFileSync(join(root, 'packages', folder, 'README.md'), 'utf8')
      // Fences may say `fragment`: for the tests, not for the highlighter.
      .replace(/^```(\w+) fragment$/gm, '```$1')
      .replace(links, (_, words: string, link: string) => {
        const page = target(`packages/${folder}`, link);
        return page ? `[${words}](${page})` : words;
      });
    writeFileSync(join(to, `${folder}.md`), `---\ntitle: '${name}'\noutline: [2, 3]\neditLink: false\n---\n\n${text}`);
  }
}
