import { openBackend } from '../backends/open.ts';
import { limitedBackend } from './limited-backend.ts';
import type { MeasureCommand, MeasureReport } from './plan.ts';
import { sweep } from './sweep.ts';

const tell = (report: MeasureReport) => postMessage(report);

// One measurement a worker: it is ended, at any moment, by ending the worker.
addEventListener('message', async ({ data: { backend: name, plan } }: MessageEvent<MeasureCommand>) => {
  try {
    tell({ type: 'doing', text: 'opening the backend' });
    const { backend, description } = await openBackend(name);
    tell({ type: 'opened', description });
    await sweep(limitedBackend(backend, plan.limitBytes), plan, {
      doing: (text) => tell({ type: 'doing', text }),
      row: (row) => tell({ type: 'row', row }),
    });
    tell({ type: 'done' });
  } catch (error) {
    tell({ type: 'failed', message: error instanceof Error ? error.message : String(error) });
  }
});
