import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { build } from 'esbuild';

// Makes .gpu-bundle/ (or the folder named as argument): all that a bare Linux host with a GPU driver needs to run tools/bench-gpu,
// tools/train-gpu and the command line (with `--backend webgpu`), without a network. Compressed node and libvulkan1 are made once and kept; the programs are bundled anew each time.
const root = join(import.meta.dirname, '../..');
const folder = resolve(root, process.argv[2] ?? '.gpu-bundle');
const programs = {
  bench: 'tools/bench-gpu/main.ts',
  train: 'tools/train-gpu/main.ts',
  linattn: 'packages/cli/src/bin.ts',
};
const most = 64 * 2 ** 20;

mkdirSync(folder, { recursive: true });

await build({
  entryPoints: Object.fromEntries(Object.entries(programs).map(([name, path]) => [name, join(root, path)])),
  outdir: folder,
  outExtension: { '.js': '.mjs' },
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  minifySyntax: true,
  conditions: ['@linattn/source'],
  loader: { '.wgsl': 'text' },
  // CommonJS packages inside an ES module.
  banner: {
    js: "import { createRequire as requireFrom } from 'node:module';\nconst require = requireFrom(import.meta.url);",
  },
});

const compress = (source: string, target: string) => {
  if (existsSync(`${target}.xz`)) return;
  copyFileSync(source, target);
  execFileSync('xz', ['-6', '-f', target]);
};
compress(process.execPath, join(folder, 'node'));
const webgpu = dirname(createRequire(import.meta.url).resolve('webgpu/package.json'));
compress(join(webgpu, 'dist/linux-x64/dawn.node'), join(folder, 'dawn.node'));
// The package itself, for programs that import it by its name.
for (const name of ['package.json', 'index.js']) copyFileSync(join(webgpu, name), join(folder, `webgpu-${name}`));

// The Vulkan loader, and what NVIDIA's driver links to.
const libraries = ['libvulkan1', 'libegl1', 'libglvnd0', 'libopengl0', 'libgl1', 'libglx0', 'libgles2'];
if (!readdirSync(folder).some((name) => name.endsWith('.deb'))) {
  try {
    execFileSync('apt-get', ['-qq', 'download', ...libraries], { cwd: folder });
  } catch {
    console.warn(`${libraries.join(', ')} could not be downloaded: the host must have them itself`);
  }
}

const script = (program: string) => `#!/bin/sh
# Unpacks into /tmp/gpu-bundle and runs ${program}.mjs with the arguments given.
set -e
here=$(cd "$(dirname "$0")" && pwd)
to=/tmp/gpu-bundle
mkdir -p $to
for deb in "$here"/*.deb; do [ -e "$deb" ] && dpkg -x "$deb" $to; done
export LD_LIBRARY_PATH=$to/usr/lib/x86_64-linux-gnu:$LD_LIBRARY_PATH
for file in node dawn.node; do [ -e $to/$file ] || xz -dc "$here/$file.xz" > $to/$file; done
chmod +x $to/node
package=$to/node_modules/webgpu
mkdir -p $package/dist/linux-x64
for file in package.json index.js; do cp "$here/webgpu-$file" $package/$file; done
ln -sf $to/dawn.node $package/dist/linux-x64/dawn.node
cp "$here/${program}.mjs" $to/
exec $to/node $to/${program}.mjs "$@"
`;
for (const [name, program] of Object.entries({ run: 'bench', train: 'train', linattn: 'linattn' })) {
  writeFileSync(join(folder, `${name}.sh`), script(program), { mode: 0o755 });
}

let total = 0;
for (const name of readdirSync(folder)) total += statSync(join(folder, name)).size;
console.log(`${folder}: ${(total / 2 ** 20).toFixed(1)} MiB`);
if (total > most) {
  rmSync(join(folder, 'node.xz'));
  throw new Error(`the bundle is over ${most} bytes`);
}
