import { computed, signal } from '@preact/signals';
import type { BackendName } from '../backends/names.ts';
import type { BackendChoice } from '../backends/select.tsx';
import { startWorker } from '../start-worker.ts';
import { download } from '../ui/download.ts';
import type { TextFile } from './corpus.ts';
import type { Command, Generation, LossPoint, Ready, Report } from './protocol.ts';
import { defaultSettings, type TrainSettings } from './settings.ts';
import { training } from './training.ts';

export interface Sample {
  readonly step: number;
  readonly heldOut: number;
  readonly text: string;
}

export interface Failure {
  readonly message: string;
  readonly backend: BackendName;
  readonly resumeAt?: number;
}

/** Text kept on the page: the model may write any length, the page shows its end. */
const shownCharacters = 6000;
/** Points kept of a curve; beyond, neighbours are merged. */
const mostPoints = 2000;

/** The page's side of training: what the worker told, and what may be asked of it. */
export class TrainStore {
  readonly settings = signal<TrainSettings>(defaultSettings);
  readonly choice = signal<BackendChoice>('auto');
  readonly file = signal<TextFile | undefined>(undefined);

  readonly ready = signal<Ready | undefined>(undefined);
  readonly running = training;
  readonly doing = signal('');
  readonly losses = signal<readonly LossPoint[]>([]);
  readonly step = signal(0);
  readonly tokensPerSecond = signal(0);
  readonly memory = signal<{ readonly tensors: number; readonly pooled: number } | undefined>(undefined);
  readonly samples = signal<readonly Sample[]>([]);
  readonly writing = signal(false);
  readonly written = signal<{ readonly text: string; readonly cut: boolean; readonly meter: Generation } | undefined>(
    undefined,
  );
  readonly failure = signal<Failure | undefined>(undefined);
  /** Of the model in a file. */
  readonly #savedStep = signal(0);
  /** Closing the page loses steps. */
  readonly unsaved = computed(() => this.ready.value !== undefined && this.step.value > this.#savedStep.value);
  readonly refusal = signal('');

  #worker: Worker | undefined;
  #backend: BackendName = 'wasm';
  /** What comes next is another run than the one that is shown. */
  #another = false;

  /** A new run, from fresh parameters. */
  begin(backend: BackendName): void {
    this.end();
    this.#ask({ type: 'begin', backend, settings: this.settings.peek(), text: this.file.peek() }, backend);
  }

  /** A run that was saved: with its own settings. */
  open(backend: BackendName, file: TextFile): void {
    this.refusal.value = '';
    this.#another = true;
    this.#ask({ type: 'open', backend, file, text: this.file.peek() }, backend);
  }

  recover(backend: BackendName): void {
    const at = this.failure.peek()?.resumeAt ?? 0;
    this.failure.value = undefined;
    this.#rewind(at);
    this.#ask({ type: 'recover', backend }, backend);
  }

  run(running: boolean): void {
    this.#send({ type: 'run', running });
  }

  /** Text to train on: of the next run, or of the model that was opened and waits for it. */
  take(file: TextFile | undefined): void {
    this.file.value = file;
    this.refusal.value = '';
    const ready = this.ready.peek();
    if (file && ready && 'missing' in ready.corpus) this.#send({ type: 'text', text: file });
  }

  write(prompt: string, temperature: number, seed: number): void {
    this.written.value = undefined;
    this.writing.value = true;
    this.#send({ type: 'generate', prompt, temperature, seed });
  }

  stopWriting(): void {
    this.#send({ type: 'stop generating' });
  }

  save(): void {
    this.#send({ type: 'save' });
  }

  /** Ends the run at once, whatever it is in the middle of. */
  end(): void {
    this.#worker?.terminate();
    this.#worker = undefined;
    this.#another = false;
    this.ready.value = this.failure.value = this.written.value = this.memory.value = undefined;
    this.running.value = this.writing.value = false;
    this.doing.value = this.refusal.value = '';
    this.#savedStep.value = 0;
    this.#rewind(0);
  }

  #rewind(step: number): void {
    this.losses.value = this.losses.peek().filter((point) => point.step <= step);
    this.samples.value = this.samples.peek().filter((sample) => sample.step <= step);
    this.step.value = step;
    this.tokensPerSecond.value = 0;
  }

  #ask(command: Command, backend: BackendName): void {
    this.#backend = backend;
    this.doing.value = 'starting';
    if (!this.#worker) {
      this.#worker = startWorker('train');
      this.#worker.onmessage = ({ data }: MessageEvent<Report>) => this.#hear(data);
      this.#worker.onerror = (event) => {
        this.#worker?.terminate();
        this.#worker = undefined;
        this.#hear({ type: 'failed', code: 'UNEXPECTED', message: event.message || 'the worker ended' });
      };
    }
    this.#worker.postMessage(command);
  }

  #send(command: Command): void {
    this.#worker?.postMessage(command);
  }

  #hear(report: Report): void {
    switch (report.type) {
      case 'doing':
        this.doing.value = report.text;
        return;
      case 'ready':
        if (this.#another) {
          this.#rewind(0);
          this.written.value = this.failure.value = undefined;
          this.#another = false;
          this.#savedStep.value = report.step;
        }
        this.step.value = report.step;
        this.ready.value = report;
        this.settings.value = report.settings;
        this.doing.value = '';
        return;
      case 'steps':
        this.losses.value = merged([...this.losses.peek(), ...report.points]);
        this.step.value = report.points.at(-1)!.step;
        this.tokensPerSecond.value = report.tokensPerSecond;
        this.memory.value = report.memory;
        this.doing.value = '';
        return;
      case 'sample':
        this.samples.value = [...this.samples.peek(), report];
        return;
      case 'running':
        this.running.value = report.running;
        return;
      case 'generated': {
        const all = (this.written.peek()?.text ?? '') + report.text;
        const cut = this.written.peek()?.cut || all.length > shownCharacters;
        this.written.value = { text: all.slice(-shownCharacters), cut, meter: report };
        this.writing.value = !report.done;
        return;
      }
      case 'saved':
        download(report.name, report.bytes);
        this.#savedStep.value = report.step;
        return;
      case 'refused':
        this.#another = false;
        this.refusal.value = report.message;
        this.doing.value = '';
        return;
      case 'failed':
        this.doing.value = '';
        this.writing.value = false;
        this.failure.value = { message: report.message, backend: this.#backend, resumeAt: report.resumeAt };
    }
  }
}

/** A curve of bounded length: where it grows too long, two points become their mean. */
function merged(points: readonly LossPoint[]): readonly LossPoint[] {
  if (points.length <= mostPoints) return points;
  return Array.from({ length: Math.ceil(points.length / 2) }, (_, i) => {
    const pair = points.slice(2 * i, 2 * i + 2);
    return { step: pair.at(-1)!.step, loss: pair.reduce((sum, { loss }) => sum + loss, 0) / pair.length };
  });
}
