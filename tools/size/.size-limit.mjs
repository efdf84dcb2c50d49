// What a page downloads, minified and gzipped. Each package is counted without those below it, which have budgets of their
// own. `pnpm build` first.

const others = ['@linattn/*', 'node:*', 'webgpu'];

/** `size-limit`'s own `ignore` knows whole packages only; esbuild's `external` knows patterns. */
const without = (external) => (config) => ({ ...config, external: [...(config.external ?? []), ...external] });

const check = (name, limit, { what = 'all of it', names = '*', missing = [], entry = 'index' } = {}) => ({
  name: `@linattn/${name}, ${what}`,
  path: `../../packages/${name}/dist/${entry}.js`,
  import: names,
  limit,
  gzip: true,
  modifyEsbuildConfig: without([...others, ...missing]),
});

const only = (names, limit) => check('math', limit, { what: `only ${names}`, names: `{ ${names} }` });

export default [
  check('math', '12 kB'),
  only('tensor, scope', '4 kB'),
  only('linearAttention, tensor, valueAndGrad', '10 kB'),
  check('dropout', '3 kB'),
  // Of the two inlined modules a page loads one; the other is a chunk of its own.
  check('kernels-wasm', '40 kB', { what: 'with its plain module', missing: ['./relaxed-*'] }),
  check('kernels-wasm', '40 kB', { what: 'with its relaxed module', missing: ['./plain-*'] }),
  // 40 kB until it had storage in float16, and products of few rows.
  check('kernels-webgpu', '42 kB'),
  check('kernels-webgpu', '10 kB', { what: 'matrix units', entry: 'matrix/index' }),
  check('nn', '20 kB'),
];
