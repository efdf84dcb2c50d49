const integer = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });

/** 12345 as 12,345. */
export const formatCount = (count: number): string => integer.format(count);

/** Bytes in the unit that suits them: 9 B, 1.4 KiB, 17 MiB. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let unit = 0;
  let amount = bytes;
  while (amount >= 1024 && unit < units.length - 1) {
    amount /= 1024;
    unit++;
  }
  return `${amount.toFixed(unit > 0 && amount < 10 ? 1 : 0)} ${units[unit]}`;
}

/** Large counts in words: 4.3 billion, 17 million. */
export function formatLarge(count: number): string {
  for (const [size, word] of [
    [1e12, 'trillion'],
    [1e9, 'billion'],
    [1e6, 'million'],
  ] as const) {
    if (count >= size) return `${(count / size).toFixed(count < 10 * size ? 1 : 0)} ${word}`;
  }
  return formatCount(count);
}

/** Seconds as 0.4 ms, 12 ms, 3.1 s, 2 min 5 s. */
export function formatDuration(seconds: number): string {
  if (seconds < 0.01) return `${(1000 * seconds).toPrecision(2)} ms`;
  if (seconds < 1) return `${Math.round(1000 * seconds)} ms`;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}

/** A number in a cell: two decimals, a true minus sign, 0 without sign or decimals. */
export function formatCell(value: number): string {
  if (value === 0) return '0';
  const text = value.toFixed(2);
  if (Number(text) === 0) return value.toExponential(0).replaceAll('-', '−');
  return text.replace('-', '−');
}

/** How far two results are apart: 2e−16, or 0 where they are the same. */
export const formatDifference = (value: number): string =>
  value === 0 ? '0' : value.toExponential(0).replace('e-', 'e−');
