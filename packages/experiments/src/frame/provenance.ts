import { arch, availableParallelism, cpus, platform, totalmem } from 'node:os';
import packageJson from '../../package.json' with { type: 'json' };

/** On what a run was made. Nothing in it names a path. */
export interface Provenance {
  readonly linattn: string;
  readonly node: string;
  readonly system: string;
  readonly processor: string;
  readonly processors: number;
  readonly memoryGiB: number;
}

export const provenance = (): Provenance => ({
  linattn: packageJson.version,
  node: process.version,
  system: `${platform()} ${arch()}`,
  processor: cpus()[0]?.model.trim() ?? 'unknown',
  processors: availableParallelism(),
  memoryGiB: Math.round(totalmem() / 2 ** 30),
});
