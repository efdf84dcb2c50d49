// Float16 by its definition, in float64: what kernels are held to.

/** The numbers of all non-negative bit patterns up to infinity's, in order; in its place what would come next, had exponents gone on. */
const magnitudes = Float64Array.from({ length: 0x7c01 }, (_, bits) => {
  const exponent = bits >> 10;
  const fraction = bits % 1024;
  return exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25);
});

/** Of float16's bits, the number. */
export function numberOf(bits: number): number {
  const magnitude = bits & 0x7fff;
  if (magnitude > 0x7c00) return Number.NaN;
  const value = magnitude === 0x7c00 ? Number.POSITIVE_INFINITY : magnitudes[magnitude];
  return bits >> 15 ? -value : value;
}

/** The bits of the float16 nearest to x; of two as near, those that are even. NaN: the quiet one. */
export function bitsOf(x: number): number {
  if (Number.isNaN(x)) return 0x7e00;
  const sign = x < 0 || Object.is(x, -0) ? 0x8000 : 0;
  const magnitude = Math.abs(x);
  // The last that is not above.
  let [low, high] = [0, 0x7c00];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (magnitudes[middle] <= magnitude) low = middle;
    else high = middle - 1;
  }
  if (low === 0x7c00) return sign | low;
  const [below, above] = [magnitude - magnitudes[low], magnitudes[low + 1] - magnitude];
  return sign | (below < above || (below === above && low % 2 === 0) ? low : low + 1);
}

/** x, rounded to float16. */
export const rounded = (x: number): number => numberOf(bitsOf(x));
