import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** What tests need that git does not hold: the compiled WebAssembly modules. Built once, when they are missing. */
export default function prepare(): void {
  const root = join(import.meta.dirname, '../..');
  const generated = join(root, 'packages/kernels-wasm/src/generated');
  if (existsSync(generated) || !existsSync(join(root, 'packages/kernels-wasm/assembly'))) return;
  const { status } = spawnSync('npx', ['-y', 'pnpm@12.21.0', '--filter', '@linattn/kernels-wasm', 'run', 'wasm'], {
    cwd: root,
    stdio: 'inherit',
  });
  if (status !== 0) throw new Error('The WebAssembly modules did not build.');
}
