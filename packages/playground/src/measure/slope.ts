/** Points of a log-log line that its slope is taken from: the last ones, where what grows most has taken over. */
const counted = 3;

/** Exponent p of y ∝ xᵖ by least squares over the last points; undefined below two of them. */
export function slopeOf(points: readonly (readonly [x: number, y: number])[]): number | undefined {
  const logs = points.slice(-counted).map(([x, y]) => [Math.log(x), Math.log(y)]);
  if (logs.length < 2) return undefined;
  const mean = (of: 0 | 1) => logs.reduce((total, point) => total + point[of], 0) / logs.length;
  const [mx, my] = [mean(0), mean(1)];
  const along = logs.reduce((total, [x]) => total + (x - mx) ** 2, 0);
  return logs.reduce((total, [x, y]) => total + (x - mx) * (y - my), 0) / along;
}
