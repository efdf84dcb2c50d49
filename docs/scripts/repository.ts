import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export const root = join(import.meta.dirname, '../..');

export interface Package {
  /** Its folder's name. */
  readonly folder: string;
  readonly name: string;
  readonly description: string;
  /** What can be imported, with the source behind it: `@linattn/math/attention`. */
  readonly entries: readonly { readonly name: string; readonly source: string }[];
}

interface Manifest {
  readonly name: string;
  readonly private?: boolean;
  readonly description: string;
  readonly exports: Readonly<Record<string, { readonly '@linattn/source': string }>>;
}

/** In the order that a newcomer meets them; others follow. */
const order = ['math', 'kernels-wasm', 'kernels-webgpu', 'kernels-gpujs', 'dropout', 'nn', 'tfjs', 'jax', 'cli'];
const place = (folder: string): number => (order.includes(folder) ? order.indexOf(folder) : order.length);

/** The packages that are published. */
export const packages: readonly Package[] = readdirSync(join(root, 'packages'))
  .filter((folder) => existsSync(join(root, 'packages', folder, 'package.json')))
  .sort((a, b) => place(a) - place(b))
  .flatMap((folder) => {
    const file = join(root, 'packages', folder, 'package.json');
    const manifest = JSON.parse(readFileSync(file, 'utf8')) as Manifest;
    if (manifest.private) return [];
    const { name, description, exports } = manifest;
    const entries = Object.entries(exports).map(([path, { '@linattn/source': source }]) => ({
      name: join(name, path),
      source: join(root, 'packages', folder, source),
    }));
    return [{ folder, name, description, entries }];
  });

/** Sections of the experiments' reports: `report/figure-1`. */
export const sections: readonly { readonly folder: string; readonly title: string }[] = [
  { report: 'report', where: '' },
  { report: 'report-gpu', where: ', on a GPU host' },
].flatMap(({ report, where }) =>
  readdirSync(join(root, 'docs', report))
    .map((folder) => join(report, folder))
    .filter((folder) => existsSync(join(root, 'docs', folder, 'section.md')))
    .map((folder) => {
      const [, title] = /^## (.*)$/m.exec(readFileSync(join(root, 'docs', folder, 'section.md'), 'utf8'))!;
      return { folder, title: title + where };
    }),
);
