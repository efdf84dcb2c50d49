import { appendFileSync, existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseHTML } from 'linkedom';
import { expect, test } from 'vitest';
import { OtherRunError } from '../src/frame/errors.ts';
import { runExperiment } from '../src/frame/run.ts';
import { experiments, findExperiment } from '../src/registry.ts';
import { readSections, renderReport } from '../src/report/index.ts';
import { silentHost, temporaryFolder } from './support.ts';

test.for(experiments.map(({ name }) => name))('%s at smoke scale: numbers, figures and a section', async (name) => {
  const out = temporaryFolder();
  const host = silentHost();
  const result = await runExperiment(findExperiment(name), {
    scale: 'smoke',
    out,
    host,
    command: `linattn reproduce ${name}`,
  });
  const folder = join(out, name);
  const files = readdirSync(folder);
  expect(files).toEqual(expect.arrayContaining(['measurements.jsonl', 'result.json', 'section.md']));
  expect(result).toMatchObject({
    experiment: name,
    scale: 'smoke',
    backend: 'wasm',
    command: `linattn reproduce ${name}`,
  });
  expect(result.measurements.length).toBeGreaterThan(0);
  expect(host.shares.at(-1)).toBeCloseTo(1, 9);
  const section = readFileSync(join(folder, 'section.md'), 'utf8');
  expect(section).toContain(`linattn reproduce ${name}`);
  expect(section).toContain(process.version);
  expect(section).not.toMatch(/NaN|undefined|\[object/);
  const figures = files.filter((file) => file.endsWith('.svg'));
  expect(figures.length).toBeGreaterThan(0);
  for (const file of figures) {
    expect(section).toContain(`](${file})`);
    expect(readFileSync(join(folder, file), 'utf8')).not.toMatch(/NaN|undefined/);
  }
  const page = await renderReport(await readSections(out));
  const { document } = parseHTML(page);
  expect(document.querySelectorAll('figure svg')).toHaveLength(figures.length);
  // The page needs nothing from outside.
  expect(page).not.toMatch(/<img|<script|<link|src=/);
  expect(document.querySelector('section .imprint')?.textContent).toContain('seed');
});

test('a run that was stopped goes on, and measures nothing twice', async () => {
  const out = temporaryFolder();
  const experiment = findExperiment('numerics');
  const run = (host = silentHost(), overrides = {}) =>
    runExperiment(experiment, { scale: 'smoke', out, host, command: 'c', overrides });
  await expect(run(silentHost({ stopAfter: 2 }))).rejects.toThrow('stopped');
  const log = join(out, 'numerics', 'measurements.jsonl');
  const lines = () => readFileSync(log, 'utf8').trim().split('\n');
  expect(lines()).toHaveLength(1 + 2);
  expect(existsSync(join(out, 'numerics', 'result.json'))).toBe(false);
  // Killed in the middle of a line.
  appendFileSync(log, '{"key":"cut sho');
  const host = silentHost();
  const result = await run(host);
  expect(host.lines).toEqual([`2 of ${result.measurements.length} measurements are there`]);
  expect(lines()).toHaveLength(1 + result.measurements.length);
  const dates = result.measurements.map(({ date }) => date);
  expect((await run()).measurements.map(({ date }) => date)).toEqual(dates);

  const other = await run(silentHost(), { seed: 2 }).catch((error: unknown) => error);
  expect(other).toBeInstanceOf(OtherRunError);
  expect(String(other)).toContain('settings');
  await expect(run(silentHost(), { data: 'x' })).rejects.toThrow(
    /data: expected nothing \(numerics has no such setting\)/,
  );
});

test('an unknown experiment is named', () => {
  expect(() => findExperiment('figure-9')).toThrow(/experiment: expected .*numerics.*, given figure-9/);
});
