import type { Backend } from '../backend.ts';
import { DeviceError } from '../errors.ts';

/** One backend for all calls of a program, opened once: backends open asynchronously, other frameworks call synchronously. */
export class SharedBackend {
  readonly #open: () => Promise<Backend>;
  #opening: Promise<Backend> | undefined;
  #backend: Backend | undefined;

  constructor(open: () => Promise<Backend>) {
    this.#open = open;
  }

  /** Opens it, unless it is open. A failure is forgotten, so that a later call may try again. */
  async ready(): Promise<Backend> {
    const opening = (this.#opening ??= this.#open());
    try {
      const backend = await opening;
      // Unless it was disposed in the meantime.
      if (this.#opening === opening) this.#backend = backend;
      return backend;
    } catch (error) {
      if (this.#opening === opening) this.#opening = undefined;
      throw error;
    }
  }

  /** @throws DeviceError before `ready` is through, naming what to do. */
  get(): Backend {
    if (this.#backend) return this.#backend;
    throw new DeviceError('backend: none is open; await ready() first, or give options.backend', {
      argument: 'backend',
      expected: 'await ready(), or options.backend',
    });
  }

  /** Frees it; `ready` opens another. */
  async dispose(): Promise<void> {
    const opening = this.#opening;
    this.#opening = this.#backend = undefined;
    await (await opening)?.dispose();
  }
}
