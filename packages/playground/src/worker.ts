import type { Role } from './start-worker.ts';

// One file for all workers, so that they share the backends' code. The first message says what this one is for. That code is imported
// late to keep it out of this file's own chunk: where other chunks import from a worker's first file, WebKit runs that file once more.
addEventListener(
  'message',
  ({ data: role }: MessageEvent<Role>) => {
    const early: unknown[] = [];
    const hold = ({ data }: MessageEvent) => early.push(data);
    addEventListener('message', hold);
    import('./roles.ts')
      .then(({ serve }) => {
        removeEventListener('message', hold);
        serve[role]();
        for (const data of early) dispatchEvent(new MessageEvent('message', { data }));
      })
      .catch(reportError);
  },
  { once: true },
);
