/** One head of causal linear attention and its gradients in float64, token after token (a = b = 1). */
export function oneHead(
  n: number,
  d: number,
  q: ArrayLike<number>,
  k: ArrayLike<number>,
  v: ArrayLike<number>,
  dO: ArrayLike<number>,
): { o: Float64Array; g: Float64Array; dq: Float64Array; dk: Float64Array; dv: Float64Array } {
  const [o, dq, dk, dv] = Array.from({ length: 4 }, () => new Float64Array(n * d));
  const g = new Float64Array(n);
  const e = d + 1;
  const state = new Float64Array(e * e);
  // State rows: [1, k], columns: [v, 1].
  const at = (x: ArrayLike<number>, i: number, j: number) => (j === d ? 1 : x[i * d + j]);
  for (let i = 0; i < n; i++) {
    for (let m = 0; m < e; m++) {
      const km = at(k, i, m);
      for (let j = 0; j < e; j++) state[m * e + j] += km * at(v, i, j);
    }
    for (let j = 0; j < e; j++) {
      let total = 0;
      for (let m = 0; m < e; m++) total += at(q, i, m) * state[m * e + j];
      if (j === d) g[i] = total;
      else o[i * d + j] = total;
    }
    for (let j = 0; j < d; j++) o[i * d + j] /= g[i];
    const delta = deltaOf(i);
    for (let m = 0; m < d; m++) {
      let total = -delta * state[m * e + d];
      for (let j = 0; j < d; j++) total += (dO[i * d + j] / g[i]) * state[m * e + j];
      dq[i * d + m] = total;
    }
  }
  function deltaOf(i: number): number {
    let delta = 0;
    for (let j = 0; j < d; j++) delta += (o[i * d + j] * dO[i * d + j]) / g[i];
    return delta;
  }
  state.fill(0);
  for (let i = n - 1; i >= 0; i--) {
    const delta = deltaOf(i);
    for (let m = 0; m < e; m++) {
      const qm = at(q, i, m);
      for (let j = 0; j < d; j++) state[m * e + j] += (qm * dO[i * d + j]) / g[i];
      state[m * e + d] -= qm * delta;
    }
    for (let m = 0; m < d; m++) {
      let total = 0;
      for (let j = 0; j < e; j++) total += state[m * e + j] * at(v, i, j);
      dk[i * d + m] = total;
    }
    for (let j = 0; j < d; j++) {
      let total = 0;
      for (let m = 0; m < e; m++) total += at(k, i, m) * state[m * e + j];
      dv[i * d + j] = total;
    }
  }
  return { o, g, dq, dk, dv };
}

export function relativeError(found: ArrayLike<number>, expected: Float64Array): number {
  let [error, norm] = [0, 0];
  for (let i = 0; i < expected.length; i++) {
    error += (found[i] - expected[i]) ** 2;
    norm += expected[i] ** 2;
  }
  return Math.sqrt(error / norm);
}
