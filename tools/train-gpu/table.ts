import type { Measured } from './measure.ts';

/** A line a setting. */
export function trainingTable(found: readonly Measured[]): string {
  return [
    '| attention | N | rows | tokens/s | step, ms | waited for | on the device | recording | launches | attention | buffers, MiB | allocated when warm | loss |',
    '|---|---|---|---|---|---|---|---|---|---|---|---|---|',
    ...found.map((each) =>
      [
        '',
        each.attention,
        each.seqLen,
        each.batch,
        Math.round(each.tokensPerSecond),
        each.stepMilliseconds.toFixed(1),
        each.aloneMilliseconds.toFixed(1),
        each.deviceMilliseconds.toFixed(1),
        each.hostMilliseconds.toFixed(1),
        each.dispatches,
        `${(100 * each.attentionShare).toFixed(1)}%`,
        (each.poolBytes / 2 ** 20).toFixed(0),
        each.allocatedWarm,
        each.losses.at(-1)?.[1].toFixed(3),
        '',
      ].join(' | '),
    ),
  ]
    .map((line) => line.trim())
    .join('\n');
}

/** Where a step's device time goes. */
export function kernelTable({ attention, seqLen, kernels, longest, dispatches }: Measured): string {
  const lines = kernels.slice(0, 24).map(({ kernel, dispatches: count, milliseconds }) => {
    return `${milliseconds.toFixed(3).padStart(9)} ms ${String(count).padStart(5)}  ${kernel}`;
  });
  const worst = longest.slice(0, 16).map(({ name, milliseconds }) => `${name} ${milliseconds.toFixed(3)}`);
  return [`${attention}, N = ${seqLen}: ${dispatches} dispatches`, ...lines, worst.join('; ')].join('\n');
}
