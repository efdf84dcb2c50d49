import { resolveObjectURL } from 'node:buffer';
import { Worker as NodeWorker } from 'node:worker_threads';

// Node 20 has no global Worker, and jax-js has threads only where there is one: this is a Web Worker of a Blob URL, as far as it
// needs one.
const prelude = `
const { parentPort } = require('node:worker_threads');
globalThis.self = globalThis;
globalThis.postMessage = (message) => parentPort.postMessage(message);
parentPort.on('message', (data) => self.onmessage({ data }));
`;

class BlobWorker {
  onmessage: ((event: { data: unknown }) => void) | undefined;
  onerror: ((event: Error) => void) | undefined;
  readonly #started: Promise<NodeWorker>;

  constructor(url: string) {
    this.#started = this.#start(url);
  }

  async #start(url: string): Promise<NodeWorker> {
    const source = await resolveObjectURL(url)!.text();
    const worker = new NodeWorker(prelude + source, { eval: true });
    worker.on('message', (data) => this.onmessage?.({ data }));
    worker.on('error', (error) => this.onerror?.(error));
    return worker;
  }

  postMessage(message: unknown): void {
    void this.#started.then((worker) => worker.postMessage(message));
  }

  terminate(): void {
    void this.#started.then((worker) => worker.terminate());
  }
}

/** Gives jax-js so many threads: before its first use. */
export function offerThreads(threads: number): void {
  Object.assign(globalThis, { navigator: { hardwareConcurrency: threads } });
  if (threads > 1) Object.assign(globalThis, { Worker: BlobWorker });
}
