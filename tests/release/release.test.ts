import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { commit, copyOfRepository, publicPackages, root, tagsOf, versionsOf } from './copy.ts';
import { Registry } from './registry.ts';

const run = promisify(execFile);

let folder: string;
let copy: string;
let registry: Registry;
let settings: Readonly<Record<string, string>>;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'linattn-registry-'));
  copy = copyOfRepository();
  registry = await Registry.start(folder);
  const userconfig = join(folder, 'npmrc');
  const token = `//${new URL(registry.url).host}/:_authToken=anybody`;
  writeFileSync(userconfig, `registry=${registry.url}\n${token}\n`);
  settings = { npm_config_registry: registry.url, npm_config_userconfig: userconfig };
}, 60_000);

afterAll(async () => {
  await registry?.close();
  for (const each of [copy, folder]) if (each) rmSync(each, { recursive: true, force: true });
});

/** Runs the changesets of the repository on the copy, with the pnpm that the repository names. */
async function changeset(...args: string[]): Promise<string> {
  const { packageManager } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  // Only the changesets see the registry: npx has pnpm itself from the usual one.
  const inside = Object.entries(settings).map(([name, value]) => `${name}=${value}`);
  const command = ['-y', packageManager, 'exec', 'env', ...inside, 'changeset', ...args];
  const { stdout, stderr } = await run('npx', command, { cwd: copy, maxBuffer: 1 << 24 });
  return stdout + stderr;
}

/** Describes a change, versions what it touches and publishes; the versions that are new, by name. */
async function release(name: string, bump: 'patch' | 'minor', summary: string): Promise<Record<string, string>> {
  const before = versionsOf(copy);
  writeFileSync(join(copy, '.changeset/of-the-test.md'), `---\n'${name}': ${bump}\n---\n\n${summary}\n`);
  await changeset('version');
  commit(copy, 'Version');
  await changeset('publish');
  return Object.fromEntries(Object.entries(versionsOf(copy)).filter(([each, version]) => before[each] !== version));
}

/** Packages whose published range for `name` leaves a version out, or may: they must be published again, and only they. */
const dependentsOf = (name: string): string[] =>
  publicPackages(copy)
    .filter(({ manifest }) => Object.keys(manifest.dependencies ?? {}).includes(name))
    .map(({ manifest }) => manifest.name);

it('publishes every public package, ranges in place of workspace protocols', async () => {
  await changeset('version');
  commit(copy, 'Version');
  await changeset('publish');
  const versions = versionsOf(copy);
  for (const [name, version] of Object.entries(versions)) {
    expect(version, `${name} is prepared for a release`).not.toBe('0.0.0');
    expect(await registry.versions(name)).toEqual([version]);
    const { dependencies = {} } = (await registry.manifest(name))!.versions[version];
    for (const [needed, range] of Object.entries(dependencies)) {
      expect(range).not.toMatch(/^workspace:/);
      if (needed in versions) expect(range).toBe(`^${versions[needed]}`);
    }
  }
  expect(tagsOf(copy).sort()).toEqual(
    Object.entries(versions)
      .map(([name, version]) => `${name}@${version}`)
      .sort(),
  );
  expect(await registry.versions('@linattn/playground')).toEqual([]);
});

it('a fix reaches everybody through the ranges: one package is published', async () => {
  const changed = await release('@linattn/math', 'patch', 'A fix.');
  expect(Object.keys(changed)).toEqual(['@linattn/math']);
  expect(await registry.versions('@linattn/math')).toHaveLength(2);
  expect(await registry.versions('@linattn/nn')).toHaveLength(1);
  expect(readFileSync(join(copy, 'packages/math/CHANGELOG.md'), 'utf8')).toContain('A fix.');
});

it('a minor version, outside the ranges of a 0.x, takes its dependents along, and nobody else', async () => {
  const dependents = dependentsOf('@linattn/dropout');
  expect(dependents).toContain('@linattn/nn');
  const changed = await release('@linattn/dropout', 'minor', 'A feature.');
  expect(Object.keys(changed).sort()).toEqual(['@linattn/dropout', ...dependents].sort());
  for (const [name, version] of Object.entries(versionsOf(copy))) {
    const published = await registry.versions(name);
    expect(published.at(-1)).toBe(version);
    const expected = 1 + Number(name in changed) + Number(name === '@linattn/math');
    expect(published, name).toHaveLength(expected);
  }
  const { dependencies } = (await registry.manifest('@linattn/nn'))!.versions[changed['@linattn/nn']];
  expect(dependencies!['@linattn/dropout']).toBe(`^${changed['@linattn/dropout']}`);
});

it('is installed from there', async () => {
  const project = join(folder, 'project');
  mkdirSync(project);
  writeFileSync(join(project, 'package.json'), JSON.stringify({ private: true, type: 'module' }));
  const quiet = ['--no-audit', '--no-fund', '--prefer-online', `--cache=${join(folder, 'cache')}`];
  await run('npm', ['install', ...quiet, '@linattn/nn'], {
    cwd: project,
    env: { ...process.env, ...settings },
  });
  const lock = JSON.parse(readFileSync(join(project, 'node_modules/.package-lock.json'), 'utf8'));
  const versions = versionsOf(copy);
  const names = ['@linattn/dropout', '@linattn/math', '@linattn/nn'];
  expect(Object.keys(lock.packages)).toEqual(names.map((name) => `node_modules/${name}`));
  for (const name of names) expect(lock.packages[`node_modules/${name}`].version).toBe(versions[name]);
  const script = `import('@linattn/nn').then(({ GPTNeoX }) => console.log(typeof GPTNeoX.init));`;
  expect((await run(process.execPath, ['-e', script], { cwd: project })).stdout.trim()).toBe('function');
});
