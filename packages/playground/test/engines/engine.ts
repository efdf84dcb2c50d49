import type { BackendName } from '../../src/backends/names.ts';
import type { Processes } from './processes.ts';
import type { Send } from './webdriver.ts';

export interface StartOptions {
  readonly dark: boolean;
  /** The browser's home, its own: that is where files are saved. */
  readonly home: string;
  readonly processes: Processes;
}

export interface Engine {
  readonly name: string;
  /** Why it cannot be had on this machine. */
  readonly missing?: string;
  start(options: StartOptions): Promise<Send>;
  /** What the page says that it computes by there, and why not by what comes first. */
  readonly takes: RegExp;
  /** What is to compute there in its place. */
  readonly chosen?: BackendName;
}
