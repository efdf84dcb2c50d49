import { readFile } from 'node:fs/promises';
import { defineConfig, type Options } from 'tsup';
import { library } from '../../tsup.base.ts';

/** Shaders are inlined as text, without their comments and indentation; annotations (`// @unroll`) stay. */
const shaders: NonNullable<Options['esbuildPlugins']>[number] = {
  name: 'shaders',
  setup(build) {
    build.onLoad({ filter: /\.wgsl$/ }, async ({ path }) => {
      const text = await readFile(path, 'utf8');
      const contents = text
        .split('\n')
        .map((line) => line.replace(/\/\/(?! @).*/, '').trim())
        .filter((line) => line !== '')
        .join('\n');
      return { contents: `${contents}\n`, loader: 'text' };
    });
  },
};

export default defineConfig(
  library({ entry: { index: 'src/index.ts', 'matrix/index': 'src/matrix/index.ts' }, esbuildPlugins: [shaders] }),
);
