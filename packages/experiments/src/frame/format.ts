/** 12.3 ms, 4.56 s, 3.1 min. */
export function formatSeconds(seconds: number): string {
  if (!Number.isFinite(seconds)) return '–';
  if (seconds < 1) return `${significant(seconds * 1000)} ms`;
  return seconds < 120 ? `${significant(seconds)} s` : `${significant(seconds / 60)} min`;
}

export function formatBytes(bytes: number): string {
  if (!Number.isFinite(bytes)) return '–';
  if (bytes < 1024) return `${bytes} B`;
  const power = Math.min(4, Math.floor(Math.log2(bytes) / 10));
  return `${significant(bytes / 1024 ** power)} ${['', 'KiB', 'MiB', 'GiB', 'TiB'][power]}`;
}

/** 1,024. */
export const formatInteger = (count: number): string => count.toLocaleString('en-US');

/** Three significant digits, without an exponent where that is readable. */
export function significant(value: number, digits = 3): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'NaN' : value > 0 ? '∞' : '−∞';
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e6)) return scientific(value, digits - 1);
  const text = value.toPrecision(digits);
  return text.includes('e') ? String(Number(text)) : text.replace('-', '−');
}

/** 1.2e−7. */
export const scientific = (value: number, digits = 1): string =>
  Number.isFinite(value) ? value.toExponential(digits).replaceAll('-', '−').replace('e+', 'e') : significant(value);

/** A fixed number of digits after the point, never −0. */
export function fixed(value: number, digits: number): string {
  const text = value.toFixed(digits);
  return (/^-0\.?0*$/.test(text) ? text.slice(1) : text).replace('-', '−');
}
