import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { writeFigures } from './figures.ts';
import { writePackagePages } from './packages.ts';
import { writePerformance } from './performance.ts';
import { writeReference } from './reference.ts';
import { root } from './repository.ts';

// Writes what the site shows and git does not hold, and the figures.
for (const folder of ['packages', 'reference', 'measured']) {
  rmSync(join(root, 'docs', folder), { recursive: true, force: true });
}
writeFigures();
writePackagePages();
writePerformance();
await writeReference();
