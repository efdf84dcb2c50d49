export type Role = 'detect' | 'train' | 'measure';

/** A worker that knows what it is for; what it is asked next goes to that part. */
export function startWorker(role: Role): Worker {
  const worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' });
  worker.postMessage(role);
  return worker;
}
