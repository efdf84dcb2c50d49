import * as Plot from '@observablehq/plot';
import type { LossData } from './loss-chart.tsx';
import type { LossPoint } from './protocol.ts';

/** Loss by step, with its moving mean, the loss on unseen text, and what knowing the bytes' frequencies alone would reach. */
export function lossPlot({ losses, samples, entropy, planned }: LossData, width: number): Element {
  const newest = losses.at(-1);
  return Plot.plot({
    width,
    height: Math.round(Math.min(340, Math.max(220, 0.45 * width))),
    marginLeft: 44,
    marginRight: 28,
    marginBottom: 46,
    style: {
      background: 'none',
      color: 'var(--soft)',
      fontFamily: 'var(--sans)',
      fontSize: '13px',
      overflow: 'visible',
    },
    x: {
      label: 'step',
      labelOffset: 42,
      domain: [0, Math.max(planned, newest?.step ?? 0)],
      ticks: Math.max(3, width / 110),
    },
    y: { label: 'loss, nats a byte', domain: [0, Math.max(6, losses[0]?.loss ?? 0)], grid: true, ticks: 6 },
    marks: [
      Plot.ruleY([entropy], { stroke: 'var(--soft)', strokeDasharray: '3 4' }),
      Plot.text([entropy], {
        y: (value: number) => value,
        text: () => 'knowing how often each byte occurs',
        frameAnchor: 'right',
        textAnchor: 'end',
        dy: -8,
        fill: 'var(--soft)',
      }),
      Plot.lineY(thinned(losses), { x: 'step', y: 'loss', stroke: 'var(--blue)', strokeOpacity: 0.35 }),
      Plot.lineY(smoothed(losses), { x: 'step', y: 'loss', stroke: 'var(--blue)', strokeWidth: 2 }),
      Plot.dot(samples, { x: 'step', y: 'heldOut', fill: 'var(--orange)', r: 4 }),
    ],
  });
}

/** Points drawn at most. */
const mostDrawn = 400;

const thinned = (points: readonly LossPoint[]): LossPoint[] => {
  const every = Math.ceil(points.length / mostDrawn);
  return points.filter((_, i) => i % every === 0 || i === points.length - 1);
};

/** The mean of each with its neighbours, as many on either side as there are, and the more the more points there are. */
function smoothed(points: readonly LossPoint[]): LossPoint[] {
  const sums = [0];
  for (const { loss } of points) sums.push(sums.at(-1)! + loss);
  const most = Math.min(10, Math.floor(points.length / 30));
  return thinned(
    points.map(({ step }, i) => {
      const reach = Math.min(most, i, points.length - 1 - i);
      return { step, loss: (sums[i + reach + 1] - sums[i - reach]) / (2 * reach + 1) };
    }),
  );
}
