import { execFileSync } from 'node:child_process';
import { copyFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { build } from 'esbuild';

// Makes .gpu-browser/ (or the folder named as argument) on Debian with its package chromium: all that a bare x86-64 Linux host with an NVIDIA
// driver needs to open the playground in Chromium, without a network. The browser is packed once and kept, in parts, as uploads have limits;
// the built page and what visits it are copied anew each time.
const root = join(import.meta.dirname, '../..');
const folder = resolve(root, process.argv[2] ?? '.gpu-browser');
const packed = 'browser.tar.xz';
const partMiB = 59;
const installed = {
  browser: '/usr/lib/chromium',
  libraries: '/usr/lib/x86_64-linux-gnu',
  fonts: '/usr/share/fonts/truetype/dejavu',
};

mkdirSync(folder, { recursive: true });
await build({
  entryPoints: [join(import.meta.dirname, 'page.ts')],
  outfile: join(folder, 'page.mjs'),
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  external: ['playwright-core'],
});
cpSync(join(root, 'packages/playground/dist'), join(folder, 'site'), { recursive: true });
writeFileSync(
  join(folder, 'run.sh'),
  `#!/bin/sh
# Unpacks into /tmp/gpu-browser, visits the page and leaves what was seen in the folder given.
set -e
here=$(cd "$(dirname "$0")" && pwd)
to=/tmp/gpu-browser
mkdir -p $to
[ -e $to/node ] || cat "$here"/${packed}.* | XZ_OPT=-T0 tar -xJ -C $to
cp "$here/page.mjs" $to/
export XDG_RUNTIME_DIR=/tmp FONTCONFIG_FILE=$to/fonts.conf LD_LIBRARY_PATH=$to/lib:$LD_LIBRARY_PATH
export CHROMIUM_BIN=$to/chromium/chromium
exec $to/node $to/page.mjs "$here/site" "$@"
`,
  { mode: 0o755 },
);

if (!readdirSync(folder).some((name) => name.startsWith(packed))) {
  const stage = mkdtempSync(join(tmpdir(), 'gpu-browser-'));
  try {
    fill(stage);
    // The filter makes programs a tenth smaller.
    const pack = `tar -C '${stage}' -c . | xz -T2 --block-size=160MiB --x86 --lzma2=preset=9e | split -b ${partMiB}M - '${join(folder, packed)}.'`;
    execFileSync('bash', ['-o', 'pipefail', '-c', pack], { stdio: 'inherit' });
  } finally {
    rmSync(stage, { recursive: true, force: true });
  }
}

/** Node, playwright-core, Chromium, the libraries of all of them, the loaders of Vulkan and GL, and fonts. */
function fill(stage: string): void {
  copyFileSync(process.execPath, join(stage, 'node'));
  const playwright = dirname(createRequire(import.meta.url).resolve('playwright-core/package.json'));
  cpSync(playwright, join(stage, 'node_modules/playwright-core'), {
    recursive: true,
    filter: (path) => !/playwright-core\/(lib\/vite|types)$/.test(path),
  });
  cpSync(installed.browser, join(stage, 'chromium'), {
    recursive: true,
    filter: (path) => !/VkLayer|mock_icd|\.TOC$|crashpad|200_percent/.test(path),
  });
  cpSync(installed.fonts, join(stage, 'fonts'), { recursive: true });
  const alias = (name: string, font: string) =>
    `<alias><family>${name}</family><prefer><family>${font}</family></prefer></alias>`;
  const aliases = ['serif', 'sans-serif', 'monospace'].map((name, i) =>
    alias(name, `DejaVu ${['Serif', 'Sans', 'Sans Mono'][i]}`),
  );
  writeFileSync(
    join(stage, 'fonts.conf'),
    `<fontconfig><dir>/tmp/gpu-browser/fonts</dir><cachedir>/tmp/gpu-browser/font-cache</cachedir>${aliases.join('')}${alias('system-ui', 'DejaVu Sans')}</fontconfig>\n`,
  );

  const downloads = join(stage, 'downloads');
  mkdirSync(downloads);
  const loaders = ['libvulkan1', 'libegl1', 'libglvnd0', 'libopengl0', 'libgl1', 'libglx0', 'libgles2'];
  execFileSync('apt-get', ['-qq', 'download', ...loaders], { cwd: downloads });
  for (const name of readdirSync(downloads)) execFileSync('dpkg', ['-x', join(downloads, name), downloads]);
  const loaderFolder = join(downloads, installed.libraries);
  const needed = new Set(readdirSync(loaderFolder).map((name) => join(loaderFolder, name)));
  // NSS opens these by their names.
  for (const name of ['softokn3', 'freebl3', 'freeblpriv3', 'nssckbi'])
    needed.add(join(installed.libraries, `lib${name}.so`));
  for (const path of [join(installed.browser, 'chromium'), process.execPath, ...needed]) {
    const found = existsSync(path) ? String(execFileSync('ldd', [path])) : '';
    for (const [, library] of found.matchAll(/=> (\/\S+)/g)) needed.add(library);
  }
  // The host has these, as new or newer: its driver needs its own.
  const hosts = /^(ld-linux.*|lib(c|m|dl|rt|pthread|resolv|util|stdc\+\+|gcc_s))\.so/;
  mkdirSync(join(stage, 'lib'));
  for (const path of needed) {
    if (existsSync(path) && !hosts.test(basename(path))) copyFileSync(path, join(stage, 'lib', basename(path)));
  }
  rmSync(downloads, { recursive: true });
}
