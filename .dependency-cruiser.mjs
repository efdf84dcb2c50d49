// The floors of ARCHITECTURE.md, held by a tool: `pnpm check:floors`.

/** What the sources of each package may import of the others. */
const below = {
  math: [],
  dropout: ['math'],
  'kernels-gpujs': ['math'],
  'kernels-wasm': ['math'],
  'kernels-webgpu': ['math'],
  nn: ['math', 'dropout'],
  tfjs: ['math', 'kernels-wasm'],
  jax: ['math', 'kernels-wasm'],
  experiments: ['math', 'dropout', 'nn'],
  // The programs: they bring everything together.
  cli: ['math', 'dropout', 'nn', 'experiments', 'kernels-gpujs', 'kernels-wasm', 'kernels-webgpu'],
  playground: ['math', 'dropout', 'nn', 'cli', 'experiments', 'kernels-gpujs', 'kernels-wasm', 'kernels-webgpu'],
};

const floors = Object.entries(below).map(([name, allowed]) => ({
  name: `floor-of-${name}`,
  comment: `${name} may import ${allowed.length > 0 ? allowed.join(', ') : 'no other package'}.`,
  severity: 'error',
  from: { path: `^packages/${name}/src` },
  to: { path: '^packages/', pathNot: `^packages/(${[name, ...allowed].join('|')})/` },
}));

const forbid = (name, comment, from, to) => ({ name, comment, severity: 'error', from, to });

export default {
  forbidden: [
    ...floors,
    forbid('no-cycles', 'Modules that need each other to run are one idea.', {}, { circular: true }),
    forbid(
      'no-new-package',
      'A package that is not in the table above has no floor.',
      { path: '^packages/[^/]+/src', pathNot: `^packages/(${Object.keys(below).join('|')})/` },
      {},
    ),
    forbid(
      'only-declared',
      'What is imported is declared.',
      { path: '^packages/[^/]+/src' },
      {
        dependencyTypes: ['npm-no-pkg', 'npm-unknown', 'npm-dev'],
        dependencyTypesNot: ['npm-peer'],
      },
    ),
    forbid(
      'math-alone',
      'math has no dependencies.',
      { path: '^packages/math/src' },
      { dependencyTypes: ['npm', 'core'] },
    ),
    forbid(
      'node-apart',
      'What runs in browsers uses nothing of Node; entries for Node and programs may.',
      {
        path: '^packages/(dropout|kernels-|nn|tfjs|jax)',
        pathNot: ['/src/node/', '/(test|benchmarks|scripts|examples)/', 'config'],
      },
      { dependencyTypes: ['core'], dependencyTypesNot: ['type-only'] },
    ),
    forbid(
      'gpujs-alone',
      'gpu.js is known to kernels-gpujs, and to programs that offer it.',
      { path: '^packages/', pathNot: '^packages/(kernels-gpujs|cli|playground)/' },
      { path: '(^|/)gpu\\.js(/|$)' },
    ),
    forbid(
      'by-name',
      'Another package is imported by its name: its entries are what it offers.',
      { path: '^(packages/[^/]+)/' },
      { path: '^packages/', pathNot: '^$1/', dependencyTypes: ['local'] },
    ),
    forbid(
      'no-tests-in-sources',
      'Sources do not import tests or tools.',
      { path: '/src/' },
      { path: '^(tests|tools)/|/test/' },
    ),
  ],
  options: {
    doNotFollow: { path: 'node_modules|/dist/' },
    exclude: { path: '/dist/|\\.linattn|generated/' },
    // Cycles of types alone are no cycles: nothing is loaded for them.
    tsPreCompilationDeps: false,
    tsConfig: { fileName: 'tsconfig.base.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['@linattn/source', 'import', 'node', 'default', 'types'],
      extensions: ['.ts', '.tsx', '.mjs', '.js'],
    },
    moduleSystems: ['es6'],
  },
};
