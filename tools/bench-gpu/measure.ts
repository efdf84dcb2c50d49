import type { WebgpuBackend } from '@linattn/kernels-webgpu';
import { heater } from './heat.ts';

export const median = (values: readonly number[]): number => [...values].sort((x, y) => x - y)[values.length >> 1];

/** Milliseconds of work before anything counts: an idle card runs at a sixth of its clock. */
const warmUp = 300;

export interface Spread {
  readonly median: number;
  readonly least: number;
  readonly repeats: number;
}

/**
 * Device time of what `record` records. `prepare` is recorded and submitted before it, untimed. Both give back what they made.
 */
export async function time(
  backend: WebgpuBackend,
  record: () => void,
  options: { readonly prepare?: () => void; readonly budget?: number } = {},
): Promise<Spread> {
  const { prepare, budget = 400 } = options;
  const heat = backend.software ? () => {} : heater(backend.device);
  const once = async (): Promise<number> => {
    if (prepare) {
      prepare();
      await backend.submit();
    }
    heat();
    record();
    const [{ milliseconds }] = await backend.submitTimed();
    return milliseconds;
  };
  const found: number[] = [];
  await once();
  const start = performance.now();
  while (performance.now() - start < warmUp) await once();
  while (found.length < 5 || performance.now() - start < warmUp + budget) found.push(await once());
  return { median: median(found), least: Math.min(...found), repeats: found.length };
}

/** Device time of each kernel that `record` records: medians by position. */
export async function timeEach(
  backend: WebgpuBackend,
  record: () => void,
  prepare?: () => void,
  budget = 500,
): Promise<{ name: string; milliseconds: number }[]> {
  const heat = backend.software ? () => {} : heater(backend.device);
  const runs: { name: string; milliseconds: number }[][] = [];
  const start = performance.now();
  while (runs.length < 5 || performance.now() - start < budget) {
    if (prepare) {
      prepare();
      await backend.submit();
    }
    heat();
    record();
    runs.push(await backend.submitTimed(true));
  }
  const late = runs.slice(runs.length >> 1);
  return late[0].map(({ name }, i) => ({ name, milliseconds: median(late.map((run) => run[i].milliseconds)) }));
}
