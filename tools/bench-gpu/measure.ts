import type { WebgpuBackend } from '@linattn/kernels-webgpu';

export const median = (values: readonly number[]): number => [...values].sort((x, y) => x - y)[values.length >> 1];

/** Milliseconds of continuous work before anything counts: an idle card runs at a sixth of its clock. */
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
  const once = async (): Promise<number> => {
    if (prepare) {
      prepare();
      await backend.submit();
    }
    record();
    const [{ milliseconds }] = await backend.submitTimed();
    return milliseconds;
  };
  const found: number[] = [];
  await once();
  const start = performance.now();
  const busy = async (times: number) => {
    for (let i = 0; i < times; i++) {
      prepare?.();
      record();
    }
    await backend.submit();
  };
  while (performance.now() - start < warmUp) {
    await busy(8);
    await once();
  }
  while (found.length < 5 || performance.now() - start < warmUp + budget) {
    // Small kernels leave the card idle while the host waits, and its clock then falls.
    if ((found.at(-1) ?? 0) < 2) await busy(2);
    found.push(await once());
  }
  return { median: median(found), least: Math.min(...found), repeats: found.length };
}

/** Device time of each kernel that `record` records: medians by position. */
export async function timeEach(
  backend: WebgpuBackend,
  record: () => void,
  prepare?: () => void,
  budget = 500,
): Promise<{ name: string; milliseconds: number }[]> {
  const runs: { name: string; milliseconds: number }[][] = [];
  const start = performance.now();
  while (runs.length < 5 || performance.now() - start < budget) {
    if (prepare) {
      prepare();
      await backend.submit();
    }
    record();
    runs.push(await backend.submitTimed(true));
  }
  const late = runs.slice(runs.length >> 1);
  return late[0].map(({ name }, i) => ({ name, milliseconds: median(late.map((run) => run[i].milliseconds)) }));
}
