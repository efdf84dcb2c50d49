/** How far one value of a case is from the reference. */
export interface Difference {
  /** An output's name, or `d` and an input's. */
  readonly name: string;
  /** |x - r|₂ / |r|₂ */
  readonly normError: number;
  /** max |x - r| / max |r| */
  readonly maxError: number;
  /** It is a gradient of the case, not an output. */
  readonly gradient: boolean;
  /** Every number is finite. NaN and infinities fail whatever the reference holds. */
  readonly finite: boolean;
}

/**
 * Compares numbers with the reference. Where the reference is 0, or smaller than `magnitude` (the size of terms that cancel), the
 * error is measured against that, or against 1.
 */
export function compare(
  name: string,
  values: ArrayLike<number>,
  reference: ArrayLike<number>,
  magnitude = 0,
): Omit<Difference, 'gradient'> {
  let [error2, norm2, maxError, maximum] = [0, 0, 0, 0];
  let finite = values.length === reference.length;
  for (let i = 0; i < reference.length; i++) {
    if (!Number.isFinite(values[i]) || !Number.isFinite(reference[i])) finite = false;
    const error = Math.abs(values[i] - reference[i]);
    error2 += error * error;
    norm2 += reference[i] * reference[i];
    maxError = Math.max(maxError, error);
    maximum = Math.max(maximum, Math.abs(reference[i]));
  }
  if (!finite) return { name, normError: Number.NaN, maxError: Number.NaN, finite };
  const norm = Math.max(Math.sqrt(norm2), magnitude * Math.sqrt(reference.length));
  return {
    name,
    normError: Math.sqrt(error2) / (norm || 1),
    maxError: maxError / (Math.max(maximum, magnitude) || 1),
    finite,
  };
}

export const within = ({ normError, maxError, finite }: Omit<Difference, 'gradient'>, tolerance: number): boolean =>
  finite && normError <= tolerance && maxError <= tolerance;
