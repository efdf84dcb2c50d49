import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** What tests need that git does not hold: the compiled WebAssembly modules. Built when they are missing or out of date. */
export default function prepare(): void {
  const root = join(import.meta.dirname, '../..');
  const script = join(root, 'packages/kernels-wasm/scripts/build-wasm.mjs');
  if (!existsSync(script)) return;
  const { status } = spawnSync(process.execPath, [script], { cwd: root, stdio: 'inherit' });
  if (status !== 0) throw new Error('The WebAssembly modules did not build.');
}
