import { defineConfig } from 'tsup';
import { library } from '../../tsup.base.ts';

const folders = ['attention', 'conformance', 'features', 'float64', 'network', 'host'];

export default defineConfig(
  library({
    entry: {
      index: 'src/index.ts',
      ...Object.fromEntries(folders.map((name) => [`${name}/index`, `src/${name}/index.ts`])),
    },
  }),
);
