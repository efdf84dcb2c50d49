import { availableParallelism, cpus, totalmem } from 'node:os';

/** The machine that this runs on; memory in bytes. */
export const describeMachine = () => ({
  node: process.version,
  processor: cpus()[0]?.model.trim() ?? 'unknown',
  cores: availableParallelism(),
  memory: totalmem(),
});
