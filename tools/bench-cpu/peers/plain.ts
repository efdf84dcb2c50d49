/** The product that one would write: row times row, the inner loop along memory. */
export function matmul(
  a: Float32Array,
  b: Float32Array,
  c: Float32Array,
  [m, n, k]: readonly [number, number, number],
  transposeA: boolean,
  transposeB: boolean,
): void {
  c.fill(0);
  const [aRow, aInner] = transposeA ? [1, m] : [k, 1];
  for (let i = 0; i < m; i++) {
    const row = i * n;
    if (transposeB) {
      for (let j = 0; j < n; j++) {
        let sum = 0;
        for (let l = 0, at = j * k; l < k; l++, at++) sum += a[i * aRow + l * aInner] * b[at];
        c[row + j] = sum;
      }
    } else {
      for (let l = 0; l < k; l++) {
        const x = a[i * aRow + l * aInner];
        for (let j = 0, at = l * n; j < n; j++, at++) c[row + j] += x * b[at];
      }
    }
  }
}
