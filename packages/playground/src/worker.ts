import { serveDetection } from './backends/detect.ts';
import { serveMeasuring } from './measure/serve.ts';
import type { Role } from './start-worker.ts';
import { serveTraining } from './train/serve.ts';

// One file for all workers, so that they share the backends' code. The first message says what this one is for.
const serve: Readonly<Record<Role, () => void>> = {
  detect: serveDetection,
  train: serveTraining,
  measure: serveMeasuring,
};

addEventListener('message', ({ data }: MessageEvent<Role>) => serve[data](), { once: true });
