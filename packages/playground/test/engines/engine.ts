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
}
