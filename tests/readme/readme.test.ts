import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import ts from 'typescript';
import { afterAll, expect, it } from 'vitest';
import { root, type Snippet, snippets } from './snippets.ts';

const run = promisify(execFile);

// Beside the package that the README belongs to, so that a snippet has what its reader has: the package and what it declares.
const scratch = ({ home }: Pick<Snippet, 'home'>): string => join(root, home, '.linattn/readme');
const fileOf = (snippet: Snippet, extension: string): string =>
  join(scratch(snippet), `line-${snippet.line}.${extension}`);

afterAll(() => {
  for (const snippet of snippets) rmSync(scratch(snippet), { recursive: true, force: true });
});

function write(snippet: Snippet, extension: string, text: string): string {
  mkdirSync(scratch(snippet), { recursive: true });
  writeFileSync(fileOf(snippet, extension), text);
  return fileOf(snippet, extension);
}

// A software GPU for Node, where Chromium brought one.
const icd = '/usr/lib/chromium/vk_swiftshader_icd.json';
const vulkan = existsSync(icd) && !process.env.VK_ICD_FILENAMES ? { VK_ICD_FILENAMES: icd } : {};

it.each(snippets.map((snippet) => [`${snippet.readme}:${snippet.line}`, snippet] as const))(
  '%s runs as it stands',
  async (_, snippet) => {
    const options = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022, verbatimModuleSyntax: true };
    const file = write(snippet, 'mjs', ts.transpileModule(snippet.code, { compilerOptions: options }).outputText);
    const { NODE_OPTIONS: _options, ...environment } = process.env;
    // It must also end by itself.
    const result = await run(process.execPath, [file], { env: { ...environment, ...vulkan }, timeout: 90_000 }).catch(
      (error: { stdout: string; stderr: string }) => error,
    );
    // Only WebGPU may be missing from a machine: the page says what it needs.
    if (
      result instanceof Error &&
      snippet.home === 'packages/kernels-webgpu' &&
      result.stderr.includes('DeviceError')
    ) {
      return;
    }
    if (result instanceof Error) throw new Error(`${result.stdout}\n${result.stderr}`, { cause: result });
    if (snippet.code.includes('console.log')) expect(result.stdout.trim()).not.toBe('');
    expect(result.stdout).not.toMatch(/NaN|undefined|\[object/);
  },
);

it('those in TypeScript pass the strict compiler', async () => {
  const typed = snippets.filter(({ language }) => language === 'ts');
  expect(typed.length).toBeGreaterThan(0);
  const files = typed.map((snippet) => write(snippet, 'ts', snippet.code));
  const config = write(
    { ...typed[0], home: 'tests/readme' },
    'json',
    JSON.stringify({
      extends: join(root, 'tsconfig.base.json'),
      compilerOptions: {
        // What is published, as for the reader.
        customConditions: [],
        types: ['node'],
        typeRoots: [join(root, 'node_modules/@types')],
        moduleDetection: 'force',
        noUnusedLocals: false,
      },
      files,
    }),
  );
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  await run(process.execPath, [tsc, '-p', config, '--pretty', 'false'], { cwd: root }).catch((error) => {
    throw new Error(error.stdout);
  });
});
