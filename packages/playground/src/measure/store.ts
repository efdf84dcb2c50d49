import { signal } from '@preact/signals';
import type { BackendName } from '../backends/names.ts';
import type { BackendChoice } from '../backends/select.tsx';
import { startWorker } from '../start-worker.ts';
import { defaultPlan, type MeasureCommand, type MeasureReport, type Pass, type Plan, type Row } from './plan.ts';

/** The page's side of measuring. */
export class MeasureStore {
  readonly plan = signal<Plan>(defaultPlan);
  readonly choice = signal<BackendChoice>('auto');
  readonly pass = signal<Pass>('both');

  readonly rows = signal<readonly Row[]>([]);
  /** The plan that the rows belong to. */
  readonly measured = signal<Plan>(defaultPlan);
  readonly device = signal('');
  readonly doing = signal('');
  readonly running = signal(false);
  readonly failure = signal('');

  #worker: Worker | undefined;

  start(backend: BackendName): void {
    this.cancel();
    this.rows.value = [];
    this.measured.value = this.plan.peek();
    this.device.value = this.failure.value = '';
    this.running.value = true;
    this.doing.value = 'starting';
    const worker = startWorker('measure');
    worker.onmessage = ({ data }: MessageEvent<MeasureReport>) => this.#hear(data);
    worker.onerror = (event) => this.#hear({ type: 'failed', message: event.message || 'the worker ended' });
    worker.postMessage({ backend, plan: this.plan.peek() } satisfies MeasureCommand);
    this.#worker = worker;
  }

  /** Ends it at once; what was measured stays. */
  cancel(): void {
    this.#worker?.terminate();
    this.#worker = undefined;
    this.running.value = false;
    this.doing.value = '';
  }

  #hear(report: MeasureReport): void {
    switch (report.type) {
      case 'opened':
        this.device.value = report.description;
        return;
      case 'doing':
        this.doing.value = report.text;
        return;
      case 'row':
        this.rows.value = [...this.rows.peek(), report.row];
        return;
      case 'failed':
        this.failure.value = report.message;
        this.cancel();
        return;
      case 'done':
        this.cancel();
    }
  }
}
