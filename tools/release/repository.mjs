// Provenance ties a package to the repository that built it, so its manifest must name that repository. It is written just
// before publishing in GitHub Actions, where it is known; a fork names itself.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const { GITHUB_REPOSITORY: repository, GITHUB_SERVER_URL: server = 'https://github.com' } = process.env;
if (repository) {
  const packages = join(import.meta.dirname, '../../packages');
  for (const name of readdirSync(packages)) {
    const file = join(packages, name, 'package.json');
    const manifest = JSON.parse(readFileSync(file, 'utf8'));
    if (manifest.private) continue;
    manifest.repository = {
      type: 'git',
      url: `git+${server}/${repository}.git`,
      directory: `packages/${name}`,
    };
    writeFileSync(file, `${JSON.stringify(manifest, undefined, 2)}\n`);
  }
} else {
  console.log('Not in GitHub Actions: packages are published without provenance.');
}
