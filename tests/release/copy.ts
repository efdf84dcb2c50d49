import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

export const root = join(import.meta.dirname, '../..');

const git = (cwd: string, ...args: string[]): string => execFileSync('git', args, { cwd, encoding: 'utf8' });

/** A copy of the working tree and of what was built in it, as a repository of its own: releases are tried there, never here. */
export function copyOfRepository(): string {
  const copy = realpathSync(mkdtempSync(join(tmpdir(), 'linattn-release-')));
  const files = git(root, 'ls-files', '-co', '--exclude-standard', '-z').split('\0');
  for (const file of files.filter((name) => name && existsSync(join(root, name)))) {
    mkdirSync(dirname(join(copy, file)), { recursive: true });
    cpSync(join(root, file), join(copy, file));
  }
  for (const { folder } of publicPackages(root)) {
    const dist = join(root, folder, 'dist');
    if (!existsSync(dist)) throw new Error(`${folder} is not built: run \`pnpm build\` first`);
    cpSync(dist, join(copy, folder, 'dist'), { recursive: true });
  }
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
  // What is linked belongs to the working tree: nothing may install there from here.
  const workspace = join(copy, 'pnpm-workspace.yaml');
  const manifest = readFileSync(workspace, 'utf8');
  const quiet = manifest.replace('verifyDepsBeforeRun: install', 'verifyDepsBeforeRun: false');
  if (quiet === manifest)
    throw new Error('pnpm-workspace.yaml: the setting that installs before a run has another form');
  writeFileSync(workspace, quiet);
  git(copy, 'init', '--quiet', '--initial-branch=main');
  commit(copy, 'The copy');
  return copy;
}

export function commit(copy: string, message: string): void {
  git(copy, 'add', '--all');
  const author = ['-c', 'user.name=release test', '-c', 'user.email=release@test.invalid'];
  git(copy, ...author, 'commit', '--quiet', '--no-verify', '-m', message);
}

export const tagsOf = (copy: string): string[] => git(copy, 'tag').split('\n').filter(Boolean);

export interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly private?: boolean;
  readonly dependencies?: Readonly<Record<string, string>>;
}

/** The packages that are published, as they are now. */
export function publicPackages(repository: string): { folder: string; manifest: Manifest }[] {
  return readdirSync(join(repository, 'packages'))
    .map((name) => `packages/${name}`)
    .filter((folder) => existsSync(join(repository, folder, 'package.json')))
    .map((folder) => ({
      folder,
      manifest: JSON.parse(readFileSync(join(repository, folder, 'package.json'), 'utf8')) as Manifest,
    }))
    .filter(({ manifest }) => !manifest.private);
}

/** Versions by name. */
export const versionsOf = (repository: string): Record<string, string> =>
  Object.fromEntries(publicPackages(repository).map(({ manifest }) => [manifest.name, manifest.version]));
