import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { naive, ndarray } from '@linattn/math/attention';
import { type Browser, chromium } from 'playwright';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasChromium, launchOptions } from '../../tools/test-report/chromium.ts';
import { bundlers, filesOf } from './bundlers.ts';
import { Project } from './project.ts';
import { serve } from './serve.ts';
import { pack } from './workspace.ts';

const shape = [1, 70, 2, 8];
const count = 70 * 2 * 8;
const draw = (seed: number) => Float32Array.from({ length: count }, (_, i) => Math.sin(1 + seed + 0.7 * i));
const inputs = [0, 1, 2].map(draw);

/** A page that computes attention and leaves the numbers, or what went wrong, in `window.answer`. */
const page = (imports: string, backend: string): string => `
  import { linearAttention, sum, tensor, valueAndGrad } from '@linattn/math';
  ${imports}
  async function compute() {
    const backend = await ${backend};
    const count = ${count};
    const draw = ${draw};
    const [q, k, v] = [0, 1, 2].map((seed) => tensor(backend, draw(seed), ${JSON.stringify(shape)}));
    const { output } = linearAttention(q, k, v, { normalize: 'l2' });
    const { gradients } = valueAndGrad(() => sum(linearAttention(q, k, v, { normalize: 'l2' }).output), [v]);
    const answer = { output: [...(await output.read())], dv: [...(await gradients[0].read())], threads: backend.threads };
    await backend.dispose();
    return answer;
  }
  window.answer = compute().catch((error) => ({ error: String(error.stack ?? error) }));
`;

interface Answer {
  readonly output: readonly number[];
  readonly dv: readonly number[];
  readonly threads?: number;
  readonly error?: string;
}

function check({ error, output, dv }: Answer): void {
  expect(error).toBeUndefined();
  const [q, k, v] = inputs.map((values) => ndarray(shape, values));
  const expected = naive(q, k, v, { normalize: 'l2' }).output.data;
  expect(output).toHaveLength(expected.length);
  const norm = Math.hypot(...expected);
  expect(Math.hypot(...output.map((value, i) => value - expected[i])) / norm).toBeLessThan(1e-5);
  // Weights of a query sum to 1, so dv sums to one for every query, head and feature.
  expect(dv.reduce((total, value) => total + value, 0)).toBeCloseTo(expected.length, 2);
}

/** How a WebAssembly module begins, in base64. */
const magic = Buffer.from('\0asm').toString('base64').slice(0, 5);
const text = (folder: string, path: string): string => readFileSync(join(folder, path), 'utf8');

const shelf = mkdtempSync(join(tmpdir(), 'linattn-tarballs-'));
let tarballs: ReadonlyMap<string, string>;
let browser: Browser | undefined;
const projects: Project[] = [];

beforeAll(async () => {
  tarballs = await pack(['@linattn/math', '@linattn/kernels-wasm', '@linattn/kernels-webgpu'], shelf);
  if (hasChromium) browser = await chromium.launch(launchOptions);
}, 120_000);

afterAll(async () => {
  await browser?.close();
  for (const project of projects) project.dispose();
  rmSync(shelf, { recursive: true, force: true });
});

/** A project with one backend and a page that uses it. */
async function projectWith(backend: string, main: string): Promise<Project> {
  const project = new Project();
  projects.push(project);
  const installed = await project.install(['@linattn/math', backend].map((name) => tarballs.get(name)!));
  expect(installed).toEqual([backend, '@linattn/math']);
  project.write('main.js', main);
  return project;
}

/** Opens the built page; its answer, and the files it asked for. */
async function open(folder: string, isolated: boolean): Promise<{ answer: Answer; requests: readonly string[] }> {
  const site = await serve(folder, { isolated });
  const tab = await browser!.newPage();
  const problems: string[] = [];
  tab.on('pageerror', (error) => problems.push(String(error)));
  tab.on('console', (message) => {
    if (message.type() === 'error' && !message.text().includes('favicon')) problems.push(message.text());
  });
  try {
    await tab.goto(site.origin);
    await tab.waitForFunction('window.answer');
    const answer = (await tab.evaluate('window.answer')) as Answer;
    expect(problems.filter((problem) => !problem.includes('404'))).toEqual([]);
    return { answer, requests: site.requests.filter((path) => path !== '/' && path !== '/favicon.ico') };
  } finally {
    await tab.close();
    await site.close();
  }
}

describe.each(['vite', 'esbuild', 'webpack'] as const)('a page built by %s', (bundler) => {
  const build = async (project: Project): Promise<string> => {
    const out = join(project.folder, 'out');
    await bundlers[bundler](project.folder, out);
    return out;
  };

  it('computes attention in WebAssembly, and loads one of its two modules', async ({ skip }) => {
    const imports = `import { createWasmBackend } from '@linattn/kernels-wasm';`;
    const project = await projectWith('@linattn/kernels-wasm', page(imports, 'createWasmBackend({ threads: 2 })'));
    const out = await build(project);
    // The entry holds neither module: each is a chunk of its own.
    const holders = filesOf(out).filter((path) => path.endsWith('.js') && text(out, path).includes(magic));
    expect(holders).toHaveLength(2);
    expect(holders).not.toContain('main.js');
    if (!browser) return skip(`no Chromium at ${launchOptions.executablePath}`);
    for (const isolated of [true, false]) {
      const { answer, requests } = await open(out, isolated);
      check(answer);
      expect(answer.threads).toBe(isolated ? 2 : 1);
      expect(requests.filter((path) => holders.includes(path.slice(1)))).toHaveLength(1);
    }
  });

  // esbuild leaves `new URL(…, import.meta.url)` as it is: there the inlined modules are the way.
  it.skipIf(bundler === 'esbuild')('takes the modules as files', async ({ skip }) => {
    const imports = `import { createWasmBackend } from '@linattn/kernels-wasm';
      import { wasmFiles } from '@linattn/kernels-wasm/url';`;
    const backend = 'createWasmBackend({ threads: 1, source: wasmFiles })';
    const out = await build(await projectWith('@linattn/kernels-wasm', page(imports, backend)));
    const modules = filesOf(out).filter((path) => path.endsWith('.wasm'));
    expect(modules).toHaveLength(2);
    for (const path of modules) expect(readFileSync(join(out, path)).subarray(1, 4).toString()).toBe('asm');
    if (!browser) return skip(`no Chromium at ${launchOptions.executablePath}`);
    const { answer, requests } = await open(out, false);
    check(answer);
    expect(requests.filter((path) => path.endsWith('.wasm'))).toHaveLength(1);
  });

  it('builds with WebGPU without the package that Node needs for it', async ({ skip }) => {
    const imports = `import { webgpuBackend } from '@linattn/kernels-webgpu';`;
    const out = await build(await projectWith('@linattn/kernels-webgpu', page(imports, 'webgpuBackend()')));
    if (!browser) return skip(`no Chromium at ${launchOptions.executablePath}`);
    // Its kernels compile for seconds on a software adapter: once is enough.
    if (bundler === 'esbuild') check((await open(out, false)).answer);
  });
});
