// Tests read sources: the modules are compiled first where they are missing or older than assembly/.
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

execFileSync(process.execPath, [fileURLToPath(new URL('../scripts/build-wasm.mjs', import.meta.url))], {
  stdio: ['ignore', 'inherit', 'inherit'],
});
