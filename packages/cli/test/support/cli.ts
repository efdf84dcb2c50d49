import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, onTestFinished, vi } from 'vitest';
import { main } from '../../src/program.ts';

export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command line inside the test's own process. */
export async function run(...argv: string[]): Promise<Outcome> {
  const said = { stdout: '', stderr: '' };
  const listen = (name: 'stdout' | 'stderr') =>
    vi.spyOn(process[name], 'write').mockImplementation((text) => {
      said[name] += String(text);
      return true;
    });
  const spies = [listen('stdout'), listen('stderr')];
  try {
    return { code: await main(argv), ...said };
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}

const source = resolve(fileURLToPath(import.meta.url), '../../../src/bin.ts');

/** Starts the command line as users do, as a process of its own (from its sources). */
export function start(argv: readonly string[], cwd: string): { child: ChildProcess; done: Promise<Outcome> } {
  const child = spawn(
    process.execPath,
    ['--conditions=@linattn/source', '--import', import.meta.resolve('tsx'), source, ...argv],
    { cwd, env: { ...process.env, NO_COLOR: '1' } },
  );
  onTestFinished(() => void child.kill('SIGKILL'));
  const said = { stdout: '', stderr: '' };
  child.stdout.on('data', (text) => (said.stdout += text));
  child.stderr.on('data', (text) => (said.stderr += text));
  const done = new Promise<Outcome>((resolve) => child.on('close', (code) => resolve({ code: code ?? -1, ...said })));
  return { child, done };
}

const made: string[] = [];

/** A folder that is gone after the test. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'linattn-'));
  made.push(folder);
  return folder;
}

afterEach(() => {
  for (const folder of made.splice(0)) rmSync(folder, { recursive: true, force: true });
});
