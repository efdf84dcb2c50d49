import { signal } from '@preact/signals';
import { startWorker } from '../start-worker.ts';
import type { BackendReport } from './names.ts';

/** What has been found out so far, in the order in which they are tried. */
export const reports = signal<readonly BackendReport[]>([]);

let asked = false;

/** Starts to find out, once a page. */
export function askForReports(): void {
  if (asked) return;
  asked = true;
  const worker = startWorker('detect');
  worker.onmessage = ({ data }: MessageEvent<BackendReport | 'done'>) => {
    if (data === 'done') worker.terminate();
    else reports.value = [...reports.peek(), data];
  };
  worker.onerror = () => worker.terminate();
}
