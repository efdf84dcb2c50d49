import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const folder = resolve(fileURLToPath(import.meta.url), '../../../../../../shared/data');

/** A file of the data beside the project, or undefined (and said so) where that is absent. */
export function sharedFile(name: string): string | undefined {
  const path = resolve(folder, name);
  if (existsSync(path)) return path;
  console.log(`skipped: ../shared/data/${name} is not here`);
  return undefined;
}
