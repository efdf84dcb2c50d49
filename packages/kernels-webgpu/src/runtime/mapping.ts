/** Pauses between submissions of nothing, in milliseconds: short at first, then a share of the time waited, never long. */
const pauses = { growth: 1.25, most: 16 } as const;

/** Firefox looks at its devices by a timer (its bug 1870699). */
const looksByTimer = /\bFirefox\//.test((globalThis.navigator as Navigator | undefined)?.userAgent ?? '');

/**
 * Waits until a buffer is mapped. Firefox looks only every 100 ms whether its devices are done, and whenever something is submitted: there, nothing
 * is submitted from time to time, or every number read would take 100 ms.
 */
export async function untilMapped(queue: GPUQueue, mapping: Promise<unknown>, nudge = looksByTimer): Promise<void> {
  if (nudge) {
    let waiting = true;
    const settle = () => {
      waiting = false;
    };
    const settled = mapping.then(settle, settle);
    for (let pause = 0.5; waiting; pause = Math.min(pauses.most, pause * pauses.growth)) {
      await Promise.race([settled, new Promise((resolve) => setTimeout(resolve, pause))]);
      if (waiting) queue.submit([]);
    }
  }
  await mapping;
}
