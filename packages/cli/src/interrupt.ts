/** Exit code of a command that Ctrl-C (SIGINT, 128 + 2) ended. */
export const interruptedExitCode = 130;

/**
 * While it listens, the first SIGINT or SIGTERM asks the command to stop at the next good moment (`requested`); a second one
 * ends the process at once.
 */
export class Interrupt implements Disposable {
  requested = false;
  readonly #controller = new AbortController();
  readonly #listener: () => void;

  constructor(onRequest: () => void = () => {}) {
    this.#listener = () => {
      if (this.requested) process.exit(interruptedExitCode);
      this.requested = true;
      this.#controller.abort();
      onRequest();
    };
    process.on('SIGINT', this.#listener);
    process.on('SIGTERM', this.#listener);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Lets signals and input be seen: CPU backends compute in one go and only then give way. */
  async yield(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
  }

  [Symbol.dispose](): void {
    process.off('SIGINT', this.#listener);
    process.off('SIGTERM', this.#listener);
  }
}

/** Ctrl-C before there was anything to save. */
export class InterruptedError extends Error {
  constructor() {
    super('interrupted');
    this.name = 'InterruptedError';
  }
}
