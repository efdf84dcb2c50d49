import { formatCount } from '../ui/format.ts';
import type { LimitedBackend } from './limited-backend.ts';
import { measurePoint } from './measure-point.ts';
import { type Method, methodNames, methods, type Pass, type Plan, passes, pointsOf, type Row, sizeAt } from './plan.ts';

/** A point that would take longer is not tried. */
const mostSeconds = 12;

export interface SweepListener {
  readonly doing: (text: string) => void;
  readonly row: (row: Row) => void;
}

/** How much longer the next point takes, at twice the size: softmax is quadratic in N and linear in D, the others the reverse. */
function growth(method: Method, { along }: Plan): number {
  const softmax = method === 'tiled' || method === 'full';
  return softmax === (along === 'tokens') ? 4 : 2;
}

/** Measures every method at every point, the small ones first. A method that does not fit, or takes too long, is not taken further. */
export async function sweep(backend: LimitedBackend, plan: Plan, { doing, row }: SweepListener): Promise<void> {
  const ended = new Set<string>();
  const last = new Map<string, number>();
  for (const at of pointsOf(plan)) {
    for (const method of methodNames) {
      for (const pass of Object.keys(passes) as Pass[]) {
        const key = `${method} ${pass}`;
        if (ended.has(key)) continue;
        const size = { ...sizeAt(plan, at), heads: plan.heads };
        const expected = (last.get(key) ?? 0) * growth(method, plan);
        if (expected > mostSeconds) {
          ended.add(key);
          row({ method, pass, ...size, outcome: { type: 'time' } });
          continue;
        }
        doing(
          `${methods[method]}, ${passes[pass].toLowerCase()}: ${formatCount(size.tokens)} tokens of ${size.features}`,
        );
        const outcome = await measurePoint(backend, method, pass, size, expected);
        row({ method, pass, ...size, outcome });
        if (outcome.type === 'measured') last.set(key, outcome.seconds);
        else ended.add(key);
      }
    }
  }
}
