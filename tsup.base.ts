import type { Options } from 'tsup';

/** One shape for every published package: ESM, types, source maps, nothing bundled from elsewhere. */
export const library = (options: Options = {}): Options => ({
  entry: ['src/index.ts'],
  format: 'esm',
  target: 'es2022',
  sourcemap: true,
  clean: true,
  treeshake: true,
  dts: { compilerOptions: { ignoreDeprecations: '6.0' } },
  ...options,
});
