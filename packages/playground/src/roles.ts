import { serveDetection } from './backends/detect.ts';
import { serveMeasuring } from './measure/serve.ts';
import type { Role } from './start-worker.ts';
import { serveTraining } from './train/serve.ts';

/** What a worker does; each takes its own messages from then on. */
export const serve: Readonly<Record<Role, () => void>> = {
  detect: serveDetection,
  train: serveTraining,
  measure: serveMeasuring,
};
