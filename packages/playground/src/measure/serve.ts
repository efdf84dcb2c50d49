import { openBackend } from '../backends/open.ts';
import { limitedBackend } from './limited-backend.ts';
import type { MeasureCommand, MeasureReport } from './plan.ts';
import { sweep } from './sweep.ts';

const tell = (report: MeasureReport) => postMessage(report);

/** Measures what it is asked to, once: a measurement is ended, at any moment, by ending its worker. */
export function serveMeasuring(): void {
  addEventListener('message', ({ data }: MessageEvent<MeasureCommand>) => void measure(data));
}

async function measure({ backend: name, plan }: MeasureCommand): Promise<void> {
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
}
