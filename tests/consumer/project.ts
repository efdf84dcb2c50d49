import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { root } from './workspace.ts';

const run = promisify(execFile);

/** What tsc says of files outside the project, or of packages in it that are not of this repository; and details of a line before. */
const theirs = /^(\.\.\/|node_modules\/(?!@linattn\/)|\s)/;

/** An empty project of somebody else, in a temporary folder far from the workspace. */
export class Project {
  readonly folder = realpathSync(mkdtempSync(join(tmpdir(), 'linattn-consumer-')));

  constructor(manifest: object = {}) {
    this.write('package.json', JSON.stringify({ name: 'consumer', private: true, type: 'module', ...manifest }));
  }

  write(path: string, text: string): string {
    const file = join(this.folder, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
    return file;
  }

  /** Installs tarballs with npm, without the network unless more than tarballs is needed; the names of all that is there then. */
  async install(
    tarballs: Iterable<string>,
    { online = false, flags = [] as readonly string[] } = {},
  ): Promise<string[]> {
    const quiet = ['--no-audit', '--no-fund', '--no-update-notifier', '--ignore-scripts', '--loglevel=error'];
    await run('npm', ['install', ...(online ? ['--prefer-offline'] : ['--offline']), ...quiet, ...flags, ...tarballs], {
      cwd: this.folder,
    });
    return this.installed();
  }

  /** Names in node_modules, at any depth. */
  installed(): string[] {
    const { packages } = JSON.parse(readFileSync(join(this.folder, 'node_modules/.package-lock.json'), 'utf8'));
    return Object.keys(packages)
      .map((path) => path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length))
      .sort();
  }

  /** Gives the project a package that the workspace has: what npm would have fetched, without the network. */
  link(name: string, from: string): void {
    // Through its entry, as not every package exports its manifest.
    const entry = createRequire(join(from, 'package.json')).resolve(name);
    const target = entry.slice(0, entry.lastIndexOf(`node_modules/${name}/`) + `node_modules/${name}`.length);
    const link = join(this.folder, 'node_modules', name);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(target, link);
  }

  /** Runs a file of the project in Node; what it prints, as JSON. */
  async node<T>(file: string, text: string, flags: readonly string[] = []): Promise<T> {
    this.write(file, text);
    const { stdout } = await run(process.execPath, [...flags, file], { cwd: this.folder, env: cleanEnvironment() });
    return JSON.parse(stdout);
  }

  /** Type-checks files under a module resolution, strictly, the packages' declarations included. */
  async typecheck(moduleResolution: 'NodeNext' | 'Bundler', files: readonly string[]): Promise<void> {
    const compilerOptions = {
      module: moduleResolution === 'Bundler' ? 'ESNext' : 'NodeNext',
      moduleResolution,
      target: 'ES2022',
      lib: ['ES2023', 'DOM'],
      types: [],
      strict: true,
      noEmit: true,
    };
    const config = `tsconfig.${moduleResolution}.json`;
    this.write(config, JSON.stringify({ compilerOptions, files }));
    const tsc = join(root, 'node_modules/typescript/bin/tsc');
    await run(process.execPath, [tsc, '-p', config, '--pretty', 'false'], { cwd: this.folder }).catch((error) => {
      // TensorFlow.js's own declarations do not hold under TypeScript 6: what others declare is theirs.
      const ours = error.stdout.split('\n').filter((line: string) => line && !theirs.test(line));
      if (ours.length > 0) throw new Error(`${moduleResolution}:\n${ours.join('\n')}`);
    });
  }

  dispose(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Without the loaders and conditions of the test runner. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const { NODE_OPTIONS: _, NODE_PATH: __, ...rest } = process.env;
  return rest;
}
