import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { naive, ndarray } from '@linattn/math/attention';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Project } from './project.ts';
import { entriesOf, pack, publicPackages, withInternal } from './workspace.ts';

const run = promisify(execFile);

const registryAnswers = (): Promise<boolean> =>
  run('npm', ['ping', '--fetch-retries=0', '--fetch-timeout=5000']).then(
    () => true,
    () => false,
  );

const shelf = mkdtempSync(join(tmpdir(), 'linattn-tarballs-'));
let tarballs: ReadonlyMap<string, string>;
const projects: Project[] = [];

beforeAll(async () => {
  tarballs = await pack([...publicPackages.keys()], shelf);
}, 120_000);

afterAll(() => {
  for (const project of projects) project.dispose();
  rmSync(shelf, { recursive: true, force: true });
});

function project(manifest?: object): Project {
  const made = new Project(manifest);
  projects.push(made);
  return made;
}

const tarballsOf = (names: readonly string[]): string[] => withInternal(names).map((name) => tarballs.get(name)!);

/** All packages that need nothing but each other and what their user brings (peers). */
const libraries = [...publicPackages.values()].filter(({ manifest }) =>
  Object.keys(manifest.dependencies ?? {}).every((name) => publicPackages.has(name)),
);

describe('what is installed', () => {
  it('math has no dependencies', async () => {
    expect(await project().install(tarballsOf(['@linattn/math']))).toEqual(['@linattn/math']);
  });

  it('nn and one backend bring what they stand on, and nothing else', async () => {
    const installed = await project().install(tarballsOf(['@linattn/nn', '@linattn/kernels-wasm']));
    expect(installed).toEqual(['@linattn/dropout', '@linattn/kernels-wasm', '@linattn/math', '@linattn/nn']);
  });

  it("WebGPU's kernels do not bring Dawn: it is for Node only, and the user's choice", async () => {
    const installed = await project().install(tarballsOf(['@linattn/kernels-webgpu']));
    expect(installed).toEqual(['@linattn/kernels-webgpu', '@linattn/math']);
  });

  it.each([...publicPackages.keys()].filter((name) => name !== '@linattn/kernels-gpujs'))(
    '%s does not know gpu.js, unless it is the program',
    (name) => {
      const { dependencies, peerDependencies, optionalDependencies } = publicPackages.get(name)!.manifest;
      const known = Object.keys({ ...dependencies, ...peerDependencies, ...optionalDependencies });
      // The command line offers every backend, so it brings gpu.js for the package that asks for it.
      if (name === '@linattn/cli') expect(known).toContain('@linattn/kernels-gpujs');
      else expect(known).not.toContain('gpu.js');
    },
  );
});

const inputs = [0, 1, 2].map((seed) => Array.from({ length: 2 * 5 * 2 * 3 }, (_, i) => Math.sin(1 + seed + 0.7 * i)));
const shape = [2, 5, 2, 3];

const attention = (backend: string) => `
  const [q, k, v] = ${JSON.stringify(inputs)}.map((values) => tensor(backend, values, ${JSON.stringify(shape)}));
  const { value, gradients } = valueAndGrad(() => sum(linearAttention(q, k, v, { normalize: 'l2' }).output), [q]);
  const { output } = linearAttention(q, k, v, { normalize: 'l2' });
  console.log(JSON.stringify({
    output: [...await output.read()], loss: await value.item(), gradient: [...await gradients[0].read()], name: ${backend}.name,
  }));`;

interface Printed {
  readonly output: readonly number[];
  readonly loss: number;
  readonly gradient: readonly number[];
  readonly name: string;
}

function check({ output, loss, gradient }: Printed, tolerance: number): void {
  const [q, k, v] = inputs.map((values) => ndarray(shape, values));
  const expected = naive(q, k, v, { normalize: 'l2' }).output.data;
  expect(output).toHaveLength(expected.length);
  for (const [i, value] of output.entries()) expect(Math.abs(value - expected[i])).toBeLessThan(tolerance);
  const total = expected.reduce((sum, value) => sum + value, 0);
  expect(Math.abs(loss - total)).toBeLessThan(tolerance * expected.length);
  expect(gradient).toHaveLength(expected.length);
  expect(gradient.some((value) => value !== 0)).toBe(true);
}

describe('math alone', () => {
  it('computes attention and its gradient as an ES module', async () => {
    const alone = project();
    await alone.install(tarballsOf(['@linattn/math']));
    const printed = await alone.node<Printed>(
      'main.js',
      `import { linearAttention, sum, tensor, valueAndGrad } from '@linattn/math';
       import { float64Backend } from '@linattn/math/float64';
       const backend = float64Backend();${attention('backend')}`,
    );
    check(printed, 1e-12);
  });

  it('computes the same through require(), from Node 20.19 on', async () => {
    const alone = project({ type: 'commonjs' });
    await alone.install(tarballsOf(['@linattn/math']));
    const text = `
       const { linearAttention, sum, tensor, valueAndGrad } = require('@linattn/math');
       const { float64Backend } = require('@linattn/math/float64');
       const backend = float64Backend();
       (async () => {${attention('backend')}})();`;
    check(await alone.node<Printed>('main.js', text), 1e-12);
    // What an older Node says, so that the README may: there is no CommonJS build.
    const old = alone.node('main.js', text, ['--no-experimental-require-module']);
    await expect(old).rejects.toThrow('ERR_REQUIRE_ESM');
  });
});

describe('nn and one backend', () => {
  it('trains a model on WebAssembly as on the reference', async () => {
    const both = project();
    await both.install(tarballsOf(['@linattn/nn', '@linattn/kernels-wasm']));
    const train = (imports: string, create: string) => `
      ${imports}
      import { GPTNeoX, sampledWindows, Trainer } from '@linattn/nn';
      const backend = ${create};
      const model = GPTNeoX.init(
        backend,
        { vocabSize: 7, hiddenSize: 16, layers: 1, heads: 2, attention: { type: 'linear' } },
        { seed: 1 },
      );
      const tokens = Uint16Array.from({ length: 200 }, (_, i) => (i * i) % 7);
      const data = sampledWindows(tokens, { seed: 1 });
      const trainer = new Trainer({ model, data, batchSize: 2, seqLen: 8, steps: 12, learningRate: 2e-2 });
      const losses = [];
      for (let i = 0; i < 12; i++) losses.push((await trainer.step()).loss);
      await backend.dispose();
      console.log(JSON.stringify(losses));`;
    const fast = await both.node<number[]>(
      'fast.js',
      train(`import { createWasmBackend } from '@linattn/kernels-wasm';`, 'await createWasmBackend({ threads: 1 })'),
    );
    const exact = await both.node<number[]>(
      'exact.js',
      train(`import { float64Backend } from '@linattn/math/float64';`, 'float64Backend()'),
    );
    expect(fast.at(-1)).toBeLessThan(0.8 * fast[0]);
    // The first loss comes of the same parameters; after that rounding goes its own way.
    expect(Math.abs(fast[0] - exact[0])).toBeLessThan(1e-5);
    expect(Math.abs(fast.at(-1)! - exact.at(-1)!)).toBeLessThan(1e-2);
  });
});

describe('the program', () => {
  it('runs where npm installed it', async ({ skip }) => {
    if (!(await registryAnswers())) return skip('no npm registry: its dependencies cannot be had');
    // gpu.js brings 84 MB of Dawn that it never loads; not for a test.
    const user = project({ overrides: { 'gpu.js': { webgpu: 'npm:picocolors@1', gl: 'npm:picocolors@1' } } });
    const installed = await user.install(tarballsOf(['@linattn/cli']), { online: true });
    expect(installed).toEqual(expect.arrayContaining(withInternal(['@linattn/cli'])));
    const { stdout } = await run(join(user.folder, 'node_modules/.bin/linattn'), ['doctor'], { cwd: user.folder });
    expect(stdout).toMatch(/wasm/);
    expect(stdout).toMatch(/float64/);
  });
});

describe('all libraries together', () => {
  const entries = libraries.flatMap(({ manifest }) => entriesOf(manifest));
  let all: Project;

  beforeAll(async () => {
    all = project();
    // Peers are the user's: here they are those of the workspace, so that nothing is downloaded.
    await all.install(tarballsOf(libraries.map(({ manifest }) => manifest.name)), { flags: ['--legacy-peer-deps'] });
    for (const { folder, manifest } of libraries) {
      for (const peer of Object.keys(manifest.peerDependencies ?? {})) {
        // Dawn stays away: packages must load and compile without their optional peers.
        if (peer !== 'webgpu') all.link(peer, folder);
      }
    }
  }, 60_000);

  it.each(entries)('%s is imported and required, with the same names', async (entry) => {
    const names = await all.node<string[]>(
      'names.js',
      `globalThis.navigator ??= { hardwareConcurrency: 2 };
       console.log(JSON.stringify(Object.keys(await import('${entry}')).sort()));`,
    );
    expect(names.length).toBeGreaterThan(0);
    expect(new Set(names).has('default')).toBe(false);
    const required = await all.node<string[]>(
      'names.cjs',
      `globalThis.navigator ??= { hardwareConcurrency: 2 };
       console.log(JSON.stringify(Object.keys(require('${entry}')).sort()));`,
    );
    expect(required.filter((name) => name !== '__esModule' && name !== 'module.exports')).toEqual(names);
  });

  it.each(['NodeNext', 'Bundler'] as const)('every entry has types under %s', async (resolution) => {
    const lines = entries.map((entry, i) => `export * as entry${i} from '${entry}';`);
    all.write('entries.ts', lines.join('\n'));
    all.write(
      'use.ts',
      `import { linearAttention, tensor, type Tensor } from '@linattn/math';
       import { float64Backend } from '@linattn/math/float64';
       const x: Tensor = tensor(float64Backend(), [1, 2, 3, 4], [1, 2, 1, 2]);
       export const output: Tensor = linearAttention(x, x, x, { mask: 'causal' }).output;
       // @ts-expect-error: no such mask
       linearAttention(x, x, x, { mask: 'diagonal' });
       // @ts-expect-error: a promise of numbers
       export const values: number[] = output.read();`,
    );
    await all.typecheck(resolution, ['entries.ts', 'use.ts']);
  });
});
