/**
 * The error function to float64 accuracy. |x| < 2.5: the Maclaurin series in its all-positive form (Abramowitz & Stegun 7.1.6);
 * above: the continued fraction of erfc (7.1.14).
 */
export function erf(x: number): number {
  if (Number.isNaN(x)) return x;
  const z = Math.abs(x);
  if (z > 6) return Math.sign(x);
  const z2 = x * x;
  if (z < 2.5) {
    let term = x;
    let total = x;
    for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(total); n++) {
      term *= (2 * z2) / (2 * n + 1);
      total += term;
    }
    return (2 / Math.sqrt(Math.PI)) * Math.exp(-z2) * total;
  }
  // erfc(z) = exp(-z²)/√π · 1/(z + (1/2)/(z + 1/(z + (3/2)/(z + …)))), from the far end inwards.
  let tail = z;
  for (let n = 60; n >= 1; n--) tail = z + n / 2 / tail;
  return Math.sign(x) * (1 - Math.exp(-z2) / Math.sqrt(Math.PI) / tail);
}
