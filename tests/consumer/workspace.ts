import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

export const root = join(import.meta.dirname, '../..');

export interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly private?: boolean;
  readonly exports: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly bin?: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly peerDependenciesMeta?: Readonly<Record<string, { readonly optional?: boolean }>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

const readManifest = (folder: string): Manifest => JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));

export interface PublicPackage {
  readonly folder: string;
  readonly manifest: Manifest;
}

/** Every package that is published, by name. */
export const publicPackages: ReadonlyMap<string, PublicPackage> = new Map(
  readdirSync(join(root, 'packages'))
    .map((name) => join(root, 'packages', name))
    .filter((folder) => existsSync(join(folder, 'package.json')))
    .map((folder) => ({ folder, manifest: readManifest(folder) }))
    .filter(({ manifest }) => !manifest.private)
    .map((each) => [each.manifest.name, each]),
);

/** What is imported: `@linattn/math`, `@linattn/math/attention`, … */
export const entriesOf = ({ name, exports }: Manifest): string[] =>
  Object.keys(exports).map((entry) => name + entry.slice(1));

/** The packages themselves and all that they need of this workspace. */
export function withInternal(names: readonly string[]): string[] {
  const all = new Set<string>();
  const visit = (name: string): void => {
    if (!publicPackages.has(name) || all.has(name)) return;
    all.add(name);
    for (const needed of Object.keys(publicPackages.get(name)!.manifest.dependencies ?? {})) visit(needed);
  };
  names.forEach(visit);
  return [...all].sort();
}

/** Runs pnpm, of the version that the workspace names. */
async function pnpm(args: readonly string[], cwd: string, env: NodeJS.ProcessEnv = {}): Promise<string> {
  const { packageManager } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const options = { cwd, env: { ...process.env, ...env }, maxBuffer: 1 << 26 };
  return (await run('npx', ['-y', packageManager, ...args], options)).stdout;
}

/** Packs packages as they would be published; the tarballs by name. */
export async function pack(names: readonly string[], destination: string): Promise<Map<string, string>> {
  for (const name of names) {
    const { folder, manifest } = publicPackages.get(name)!;
    const built = Object.values(manifest.exports).every(({ default: file }) => existsSync(join(folder, file)));
    if (!built) throw new Error(`${name} is not built: run \`pnpm build\` first`);
  }
  const filters = names.map((name) => `--filter=${name}`);
  await pnpm(['--recursive', ...filters, 'pack', '--pack-destination', destination], root);
  return new Map(
    names.map((name) => {
      const { version } = publicPackages.get(name)!.manifest;
      return [name, join(destination, `${name.replace('@', '').replace('/', '-')}-${version}.tgz`)];
    }),
  );
}
