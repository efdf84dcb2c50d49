// Tests read sources: the modules are compiled first where they are missing or older than assembly/.
import { ensureWasm } from '../scripts/build-wasm.mjs';

await ensureWasm();
