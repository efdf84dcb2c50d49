import { type FileHandle, open, readFile } from 'node:fs/promises';
import { writeAtomically } from '@linattn/nn/node';
import { withFile } from '../errors.ts';
import type { CurvePoint } from './curve.ts';

/** One line of log.jsonl. Losses are in nats a token. */
export type LogEntry =
  | {
      readonly event: 'start';
      readonly step: number;
      readonly time: string;
      readonly backend: string;
      readonly node: string;
    }
  | {
      readonly event: 'step';
      readonly step: number;
      readonly loss: number;
      readonly learningRate: number;
      readonly gradientNorm: number;
      readonly tokens: number;
      readonly milliseconds: number;
    }
  | { readonly event: 'validation'; readonly step: number; readonly loss: number; readonly seconds: number }
  | { readonly event: 'end'; readonly step: number; readonly seconds: number; readonly [detail: string]: unknown };

/** The run's log: a JSON object a line, appended as the run goes. */
export class RunLog {
  readonly training: CurvePoint[] = [];
  readonly validation: CurvePoint[] = [];
  /** Tokens trained on. */
  tokens = 0;
  readonly #speeds: number[] = [];
  readonly #path: string;
  #file: FileHandle | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  /** Opens the log of a run that goes on at `step`: what an interrupted attempt wrote beyond it is taken out. */
  async open(step: number): Promise<void> {
    await withFile('--out', this.#path, async () => {
      const kept =
        step === 0 ? [] : (await this.#read()).filter((entry) => entry.event !== 'end' && entry.step <= step);
      const lines = kept.filter((entry) => entry.event !== 'step' || entry.step < step);
      for (const entry of lines) this.#remember(entry);
      await writeAtomically(this.#path, lines.map((entry) => `${JSON.stringify(entry)}\n`).join(''));
      this.#file = await open(this.#path, 'a');
    });
  }

  async #read(): Promise<LogEntry[]> {
    const text = await readFile(this.#path, 'utf8').catch(() => '');
    return text.split('\n').flatMap((line) => {
      try {
        return [JSON.parse(line) as LogEntry];
      } catch {
        // The last line of a run that was killed may be cut short.
        return [];
      }
    });
  }

  async write(entry: LogEntry): Promise<void> {
    this.#remember(entry);
    await withFile('--out', this.#path, async () => this.#file!.appendFile(`${JSON.stringify(entry)}\n`));
  }

  /** The median over all steps. */
  get tokensPerSecond(): number {
    return [...this.#speeds].sort((x, y) => x - y)[this.#speeds.length >> 1] ?? 0;
  }

  #remember(entry: LogEntry): void {
    if (entry.event === 'step') {
      this.training.push({ step: entry.step, loss: entry.loss });
      this.tokens += entry.tokens;
      this.#speeds.push((1000 * entry.tokens) / entry.milliseconds);
    }
    if (entry.event === 'validation') this.validation.push({ step: entry.step, loss: entry.loss });
  }

  async close(): Promise<void> {
    await this.#file?.close();
    this.#file = undefined;
  }
}
