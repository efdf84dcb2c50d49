import { readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import * as esbuild from 'esbuild';
import * as vite from 'vite';
import webpack from 'webpack';

/** Bundles `main.js` of a folder into its `out` for browsers, minified, as its users would. Any warning is a failure. */
export type Bundle = (folder: string, out: string) => Promise<void>;

const complain = (bundler: string, warnings: readonly string[]): void => {
  if (warnings.length > 0) throw new Error(`${bundler} warns:\n${warnings.join('\n')}`);
};

const withVite: Bundle = async (folder, out) => {
  const warnings: string[] = [];
  const warn = (message: string) => warnings.push(message);
  await vite.build({
    root: folder,
    configFile: false,
    customLogger: {
      info: () => {},
      warn,
      warnOnce: warn,
      error: warn,
      clearScreen: () => {},
      hasErrorLogged: () => false,
      hasWarned: false,
    },
    build: {
      reportCompressedSize: false,
      outDir: out,
      target: 'es2022',
      rolldownOptions: { input: join(folder, 'main.js'), output: { entryFileNames: 'main.js' } },
    },
  });
  complain('Vite', warnings);
};

const withEsbuild: Bundle = async (folder, out) => {
  const { warnings } = await esbuild.build({
    absWorkingDir: folder,
    entryPoints: ['main.js'],
    outdir: out,
    bundle: true,
    splitting: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    logLevel: 'silent',
  });
  complain(
    'esbuild',
    warnings.map(({ text }) => text),
  );
};

const withWebpack: Bundle = async (folder, out) => {
  const stats = await new Promise<webpack.Stats>((resolve, reject) => {
    webpack(
      {
        context: folder,
        entry: './main.js',
        mode: 'production',
        target: ['web', 'es2022'],
        output: { path: out, filename: 'main.js', module: true, chunkFormat: 'module' },
        experiments: { outputModule: true },
        performance: false,
      },
      (error, result) => (error ? reject(error) : resolve(result!)),
    );
  });
  const { errors = [], warnings = [] } = stats.toJson({ all: false, errors: true, warnings: true });
  complain(
    'webpack',
    [...errors, ...warnings].map(({ message }) => message),
  );
};

export const bundlers = { vite: withVite, esbuild: withEsbuild, webpack: withWebpack } as const;

/** Files of a folder, at any depth. */
export const filesOf = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)));
