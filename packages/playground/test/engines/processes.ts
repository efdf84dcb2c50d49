import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { expect } from 'vitest';

/** How long browsers may take to start and to save: the machine may be busy with other tests. */
export const waiting = { timeout: 60_000 };

/** Processes that end together, the last first. */
export class Processes {
  readonly #started: ChildProcess[] = [];
  start(command: string, args: readonly string[], options: SpawnOptions = {}): ChildProcess {
    const process = spawn(command, args, { stdio: 'ignore', ...options });
    this.#started.push(process);
    return process;
  }

  async end(): Promise<void> {
    for (const process of this.#started.splice(0).reverse()) {
      if (process.exitCode !== null || process.signalCode !== null) continue;
      const ended = new Promise((resolve) => process.once('exit', resolve));
      process.kill();
      await ended;
    }
  }
}

export const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });

/** Tries until it works. */
export async function eventually<T>(attempt: () => Promise<T>): Promise<T> {
  let result: { value: T } | undefined;
  await expect
    .poll(async () => {
      result = await attempt().then(
        (value) => ({ value }),
        () => undefined,
      );
      return result !== undefined;
    }, waiting)
    .toBe(true);
  return result!.value;
}
