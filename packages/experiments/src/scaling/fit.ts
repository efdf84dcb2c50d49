/** y = C x^slope, by least squares of the logarithms. */
export interface Fit {
  readonly slope: number;
  /** Smallest and largest x that were used. */
  readonly from: number;
  readonly to: number;
  readonly points: number;
}

/** Points used of the largest x on: what grows slowest has died away there. */
const longest = 5;

/**
 * The slope over the larger half of the points (three at least, five at most): at small sizes what every call costs hides the growth.
 * Undefined for fewer than three points.
 */
export function fitSlope(points: readonly { readonly x: number; readonly y: number }[]): Fit | undefined {
  const sorted = points.filter(({ x, y }) => x > 0 && y > 0).sort((p, q) => p.x - q.x);
  const used = sorted.slice(-Math.min(longest, Math.max(3, Math.ceil(sorted.length / 2))));
  if (used.length < 3) return undefined;
  const [xs, ys] = [used.map(({ x }) => Math.log(x)), used.map(({ y }) => Math.log(y))];
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [xMean, yMean] = [mean(xs), mean(ys)];
  const covariance = mean(xs.map((x, i) => (x - xMean) * (ys[i] - yMean)));
  return {
    slope: covariance / mean(xs.map((x) => (x - xMean) ** 2)),
    from: used[0].x,
    to: used.at(-1)!.x,
    points: used.length,
  };
}
