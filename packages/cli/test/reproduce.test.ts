import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { run, start, temporaryFolder } from './support/cli.ts';

test('reproduce writes a section, report a page of all of them', async () => {
  const out = temporaryFolder();
  const words = ['reproduce', 'numerics', '--scale', 'smoke', '--backend', 'wasm', '--out', out];
  const { code, stdout, stderr } = await run(...words);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toContain('numerics');
  // Piped output is plain lines.
  expect(stdout).not.toContain('\u001b');
  expect(stdout).not.toContain('\r');
  const result = readFileSync(join(out, 'numerics', 'result.json'), 'utf8');
  expect(JSON.parse(result).command).toBe('linattn reproduce numerics --scale smoke --backend wasm');
  expect(result).not.toContain(out);
  expect(readFileSync(join(out, 'numerics', 'section.md'), 'utf8')).not.toContain(out);

  const again = await run(...words);
  expect(again.stdout).toMatch(/(\d+) of \1 measurements are there/);
  const other = await run(...words, '--seed', '2');
  expect(other).toMatchObject({ code: 2 });
  expect(other.stderr).toMatch(/^linattn: .*holds another run \(settings is .*\n$/);
  expect((await run(...words, '--seed', '2', '--overwrite')).code).toBe(0);

  const reported = await run('report', '--out', out);
  expect(reported.code).toBe(0);
  const page = readFileSync(join(out, 'index.html'), 'utf8');
  expect(page).toContain('<svg');
  expect(page).toContain('linattn reproduce numerics --scale smoke --backend wasm --seed 2');
});

test('a text of the user’s own: results know it by its name alone', async () => {
  const folder = temporaryFolder();
  const data = join(folder, 'tales.txt');
  writeFileSync(data, 'a cat sat on a mat. the mat was flat, and that was that.\n'.repeat(100));
  const out = join(folder, 'report');
  const words = ['reproduce', 'figure-3', '--scale', 'smoke', '--backend', 'wasm', '--data', data, '--out', out];
  const { code, stderr } = await run(...words);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  for (const file of ['result.json', 'section.md', 'measurements.jsonl']) {
    const text = readFileSync(join(out, 'figure-3', file), 'utf8');
    expect(text).toContain('tales.txt');
    expect(text).not.toContain(folder);
  }
  expect(await run(...words, '--overwrite', '--data', join(folder, 'none.txt'))).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/^linattn: --data: .*none.txt: no such file or folder\n$/),
  });
});

test('what cannot be is refused in one line', async () => {
  const out = temporaryFolder();
  const line = (words: string) => expect.stringMatching(new RegExp(`^linattn: .*${words}.*\n$`));
  expect(await run('reproduce', 'figure-9', '--out', out)).toMatchObject({ code: 2, stderr: line('experiment') });
  expect(await run('reproduce', 'numerics', '--scale', 'huge')).toMatchObject({ code: 2, stderr: line('--scale') });
  const budget = ['reproduce', 'numerics', '--scale', 'smoke', '--backend', 'float64', '--memory-budget', '1GiB'];
  expect(await run(...budget, '--out', out)).toMatchObject({ code: 2, stderr: line('memoryBudget') });
  expect(await run('report', '--out', join(out, 'none'))).toMatchObject({
    code: 2,
    stderr: line('no finished experiment'),
  });
});

test('Ctrl-C ends with 130 after a measurement, and the same command goes on', async () => {
  const folder = temporaryFolder();
  const words = ['reproduce', 'dropout-moments', '--scale', 'smoke', '--backend', 'float64', '--out', 'report'];
  const { child, done } = start(words, folder);
  const log = join(folder, 'report', 'dropout-moments', 'measurements.jsonl');
  const poll = setInterval(() => existsSync(log) && clearInterval(poll) === undefined && child.kill('SIGINT'), 2);
  const stopped = await done.finally(() => clearInterval(poll));
  expect(stopped.code).toBe(130);
  expect(stopped.stdout).toContain('the same command goes on from here');
  expect(readdirSync(join(folder, 'report', 'dropout-moments'))).toEqual(['measurements.jsonl']);
  expect((await start(words, folder).done).code).toBe(0);
});
