import { expect, test } from 'vitest';
import { backends } from '../src/backends.ts';
import { run, start, temporaryFolder } from './support/cli.ts';

test('doctor tells machine and backends, for people and for programs', async () => {
  const { code, stdout } = await run('doctor');
  expect(code).toBe(0);
  expect(stdout).toContain(process.version);
  for (const { name } of backends) expect(stdout).toMatch(new RegExp(`^[✓✗] +${name} `, 'm'));
  expect(stdout).toMatch(/^--backend auto takes \S+$/m);

  const report = JSON.parse((await run('doctor', '--json')).stdout);
  expect(report).toMatchObject({ node: process.version, cores: expect.any(Number), memory: expect.any(Number) });
  expect(report.backends.map(({ name }: { name: string }) => name)).toEqual(backends.map(({ name }) => name));
  expect(report.backends.at(-1)).toMatchObject({ name: 'float64', ok: true });
});

test('as a process: help and version succeed, a wrong command fails with 2', async () => {
  const folder = temporaryFolder();
  const [help, version, wrong] = await Promise.all(
    [['--help'], ['--version'], ['trian']].map((argv) => start(argv, folder).done),
  );
  expect(help).toMatchObject({ code: 0, stderr: '' });
  for (const command of ['train', 'generate', 'verify', 'doctor']) expect(help.stdout).toContain(command);
  expect(version.code).toBe(0);
  expect(version.stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  expect(wrong.code).toBe(2);
  expect(wrong.stderr).toMatch(/unknown command 'trian'/);
});
