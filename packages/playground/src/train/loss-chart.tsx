import { Chart } from '../ui/chart.tsx';
import type { LossPoint } from './protocol.ts';
import type { Sample } from './store.ts';

/** What the chart shows. */
export interface LossData {
  readonly losses: readonly LossPoint[];
  readonly samples: readonly Sample[];
  readonly entropy: number;
  readonly planned: number;
}

/** Loss by step: of the batches, smoothed, and of the text that is not trained on. */
export function LossChart({ losses, samples, entropy, planned }: LossData) {
  const newest = losses.at(-1);
  const label = newest
    ? `Loss by training step. Step ${newest.step}: ${newest.loss.toFixed(2)} nats a byte, from ${losses[0].loss.toFixed(2)} at step ${losses[0].step}.`
    : 'Loss by training step: nothing yet.';
  return (
    <Chart
      label={label}
      data={[losses, samples, entropy, planned]}
      load={async () => {
        const { lossPlot } = await import('./loss-plot.ts');
        return (width) => lossPlot({ losses, samples, entropy, planned }, width);
      }}
    />
  );
}
