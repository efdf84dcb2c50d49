import { MultiBar, type SingleBar } from 'cli-progress';
import { createColors } from 'picocolors';
import { formatClock, formatCount, formatPercent } from './format.ts';

export interface Output {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

/** Where a long job stands. */
export interface Progress {
  /** In [0, 1]. */
  readonly done: number;
  readonly secondsLeft: number;
  readonly step: number;
  readonly loss: number;
  readonly validationLoss?: number;
  readonly tokensPerSecond: number;
}

/** Seconds between plain lines. */
const plainInterval = 10;

/**
 * What the commands say on standard output: a bar that moves with lines above it on a terminal, plain lines now and then where output goes
 * to a file or a pipe (or with NO_COLOR, a bar without colours).
 */
export class Terminal {
  readonly color;
  readonly isTTY: boolean;
  readonly #output: Output;
  readonly #quiet: boolean;
  #bars: MultiBar | undefined;
  #bar: SingleBar | undefined;
  #lastPlain = Number.NEGATIVE_INFINITY;

  constructor(output: Output = process.stdout, { quiet = false }: { readonly quiet?: boolean } = {}) {
    this.#output = output;
    this.#quiet = quiet;
    this.isTTY = output.isTTY === true;
    this.color = createColors(this.isTTY && !process.env.NO_COLOR);
  }

  /** A line that stays. */
  line(text = ''): void {
    if (this.#quiet) return;
    if (this.#bars) this.#bars.log(`${text}\n`);
    else this.#output.write(`${text}\n`);
  }

  /** The command's result: also said when quiet. */
  result(text: string): void {
    this.endProgress();
    this.#output.write(text);
  }

  /** What goes on before there is a bar: a line that the next one takes the place of; not said at all to files and pipes. */
  status(text: string): void {
    if (!this.#quiet && this.isTTY && !this.#bars) this.#output.write(`\r\u001b[K${this.color.dim(text)}`);
  }

  clearStatus(): void {
    if (!this.#quiet && this.isTTY && !this.#bars) this.#output.write('\r\u001b[K');
  }

  progress(progress: Progress): void {
    this.advance(progress.done, `step ${String(progress.step).padEnd(6)}  `, describe(progress));
  }

  /** Moves the bar to a share in [0, 1], with `text` beside it; in plain lines the text comes after `place`. */
  advance(done: number, place: string, text: string): void {
    if (this.#quiet) return;
    if (this.isTTY) this.#moveBar(done, text);
    else {
      const now = performance.now() / 1000;
      if (now - this.#lastPlain < plainInterval) return;
      this.#lastPlain = now;
      this.line(place + text);
    }
  }

  #moveBar(done: number, text: string): void {
    if (!this.#bars) {
      const { cyan, dim } = this.color;
      const width = 24;
      this.#bars = new MultiBar({
        format: (_, { progress }, { text }) => {
          const full = Math.floor(progress * width);
          const percent = formatPercent(progress).padStart(4);
          return `${cyan('━'.repeat(full))}${dim('━'.repeat(width - full))} ${percent}  ${text}`;
        },
        hideCursor: true,
        clearOnComplete: true,
        // Signals are handled by the command, which saves first.
        gracefulExit: false,
        stream: this.#output as NodeJS.WritableStream,
      });
      this.#bar = this.#bars.create(1000, 0, { text: '' });
    }
    this.#bar!.update(Math.round(done * 1000), { text });
  }

  /** Takes the bar away: on success and on every error. */
  endProgress(): void {
    this.#bars?.stop();
    this.#bars = undefined;
    this.#bar = undefined;
    this.#lastPlain = Number.NEGATIVE_INFINITY;
  }
}

function describe({ loss, validationLoss, tokensPerSecond, secondsLeft }: Progress): string {
  return [
    `loss ${loss.toFixed(3)}`,
    ...(validationLoss === undefined ? [] : [`validation ${validationLoss.toFixed(3)}`]),
    `${formatCount(tokensPerSecond)} tokens/s`,
    `${formatClock(secondsLeft)} left`,
  ].join('  ');
}
