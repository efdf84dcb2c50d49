type Job = () => Promise<void> | void;

/** Jobs one after the other, started after the code that added them has run. Jobs deal with their own errors. */
export class Queue {
  #waiting: Job[] = [];
  #running: Promise<void> | undefined;

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
      for (const job of jobs) await job();
    }
    this.#running = undefined;
  }
}
