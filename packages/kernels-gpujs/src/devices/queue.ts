type Job = () => Promise<void> | void;

/** Jobs one after the other, started after the code that added them has run. One that fails stops no other. */
export class Queue {
  readonly #onError: (error: unknown) => void;
  #waiting: Job[] = [];
  #running: Promise<void> | undefined;

  constructor(onError: (error: unknown) => void) {
    this.#onError = onError;
  }

  add(job: Job): void {
    this.#waiting.push(job);
    this.#running ??= this.#run();
  }

  /** Runs after all jobs added before; its failure is the caller's. */
  after<T>(body: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.add(() => body().then(resolve, reject));
    });
  }

  async #run(): Promise<void> {
    // Recording is synchronous: let it finish first.
    await undefined;
    while (this.#waiting.length > 0) {
      const jobs = this.#waiting;
      this.#waiting = [];
      for (const job of jobs) {
        try {
          await job();
        } catch (error) {
          this.#onError(error);
        }
      }
    }
    this.#running = undefined;
  }
}
