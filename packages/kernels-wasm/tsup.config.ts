import { cpSync } from 'node:fs';
import { defineConfig } from 'tsup';
import { library } from '../../tsup.base.ts';

export default defineConfig(
  library({
    entry: ['src/index.ts', 'src/url.ts'],
    // The files of the URL form. The inlined modules become chunks of their own: only the one in use is loaded.
    onSuccess: async () => {
      for (const build of ['plain', 'relaxed']) {
        cpSync(`src/generated/${build}.wasm`, `dist/generated/${build}.wasm`);
      }
    },
  }),
);
