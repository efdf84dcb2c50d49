// attention/chunk.wgsl on matrix units: the same primitive, parameters and buffers; see there. A workgroup has a chunk of 64 rows (x) and a head
// (y), whose features and columns are 64 at most; each two of its eight subgroups have 16 rows, and share the blocks of columns and keys. Tiles of
// x, S, y, P and z go through workgroup memory one after the other: out = x S, P = x yᵀ, out += P z. Blocks of P above the diagonal are left
// out. α β and U are added in float32. Loads are under way while what came before is multiplied. Sums are kept at the scale of the smallest
// of what was added (`ofOut`: an exponent that only falls).
@group(0) @binding(2) var<storage, read> x: array<XUnit>;
@group(0) @binding(3) var<storage, read> y: array<XUnit>;
@group(0) @binding(4) var<storage, read> z: array<ZUnit>;
@group(0) @binding(5) var<storage, read> slots: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> out: array<ZUnit>;
@group(0) @binding(7) var<storage, read_write> extra: array<f32>;
@group(0) @binding(8) var<storage, read> aux: array<ZUnit>;

const SLOTS = 5u;               // for the largest numbers of x, S, y, P and z
const K = 64u;
const WAYS = 2u;                // subgroups that share 16 rows
const NT = 128u * WAYS;
const Q = K / 8u;               // eights of a row
const L = 64u * Q / NT;         // eights of an invocation
const DOWN = NT / Q;            // rows between them; whole blocks
const LP = 512u / NT;           // the same of P
const DOWNP = NT / 8u;
const DOWNO = 4u * NT / K;      // and of sums, by fours
const B = K / 16u;              // tiles of features
const BJ = B / WAYS;            // tiles of columns, and of keys, of a subgroup
const BN = 4u / WAYS;
const LOW = PARTS - 1u;
const OTHER = (2u - PARTS) * PART;   // where a second tile has room, without low parts
var<workgroup> alpha: array<f32, 64>;
var<workgroup> beta: array<f32, 64>;
var<workgroup> omega: array<f32, 64>;
var<workgroup> scaleOf: array<f32, 64>;
var<workgroup> shares: array<f32, 512>;

@compute @workgroup_size(NT)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) t: u32, @builtin(subgroup_id) subgroup: u32) {
  // @registers f fs fl xm pm pa o pv sx sr d av g brought
  let strip = subgroup % 4u;
  let way = subgroup / 4u;
  let pair = group.y;
  let at = group.x * 64u;
  let rows = min(64u, p.length - at);
  let segment = at / p.segment;
  let before = (at % p.segment) / 64u;   // chunks of this segment before this one
  let base = (pair * (p.segments + 1u) + select(p.segments, segment, CAUSAL == 1u)) * p.slot;
  // The slot before the locals is zero.
  let inside = CAUSAL == 1u && before > 0u;
  let local = p.locals + select(0u, (pair * p.segments + segment) * (p.segment / 64u - 1u) + before, inside) * p.slot - p.slot;
  let step = select(p.heads, 0u - p.heads, p.reverse == 1u);   // to the next row of this head; wraps
  let xRow = rowOf(0u, pair, at);
  let yRow = rowOf(1u, pair, at);
  // Invocations load eight numbers at a time: of the rows own + DOWN l, from eight * 8 on. In the tile the first is at `place` of `block`.
  let eight = t % Q;
  let own = t / Q;
  let block = 4u * (eight / 4u) + own / 16u;
  let place = (own % 16u) * STRIDE + eight % 4u;
  let featuresLeft = p.features - 8u * eight;
  let columnsLeft = p.columns - 8u * eight;
  let some0 = FULL == 1u || 8u * eight < p.features;
  let some1 = FULL == 1u || 8u * eight + 4u < p.features;

  var f: array<vec4f, 2u * L>;
  var fs: array<vec4f, 2u * L>;
  var fl: array<vec4f, 2u * L>;
  var sx: array<f32, L>;
  var sr: array<f32, L>;
  var z0: vec4f;
  var z1: vec4f;
  // @unroll
  for (var l = 0u; l < L; l++) {
    let i = own + DOWN * l;
    let begin = (xRow + select(0u, i * step, i < rows)) * p.features + 8u * eight;
    f[2u * l] = xFour(begin, featuresLeft);
    f[2u * l + 1u] = xFour(begin + 4u, featuresLeft - 4u);
  }
  // S and Z. Rows of the tile of S are features, or (XCH) columns.
  // @unroll
  for (var l = 0u; l < L; l++) {
    let begin = (own + DOWN * l) * p.strideS / 4u + 2u * eight;
    fs[2u * l] = slots[base / 4u + begin];
    fs[2u * l + 1u] = slots[base / 4u + begin + 1u];
    if (CAUSAL == 1u) {
      fl[2u * l] = slots[local / 4u + begin];
      fl[2u * l + 1u] = slots[local / 4u + begin + 1u];
    }
  }
  if (EXTRA > 1u) {
    let last = (p.features + 3u) / 4u * 4u - 4u;
    let m0 = (p.atZ + min(8u * eight, last)) / 4u;
    let m1 = (p.atZ + min(8u * eight + 4u, last)) / 4u;
    z0 = slots[base / 4u + m0] + slots[local / 4u + m0];
    z1 = slots[base / 4u + m1] + slots[local / 4u + m1];
  }
  let scaleX = factors[p.fx.x];
  let scaleY = factors[p.fy.x];
  let scaleZ = factors[p.fz.x];
  // @unroll
  for (var l = 0u; l < L; l++) {
    let i = own + DOWN * l;
    sx[l] = select(0.0, scaleX, i < rows);
    if ((PLANES & 1u) != 0u) { sx[l] *= factors[p.fx.y + xRow + select(0u, i * step, i < rows)]; }
  }
  if (t < 64u) {
    var found = vec4f(0.0, 0.0, 0.0, factors[p.fo.x]);
    if (t < rows) {
      found.x = factor(p.fAlpha, xRow + t * step);
      if (CAUSAL == 1u) {
        found.y = factor(p.fBeta, yRow + t * step);
        found.z = factor(p.fOmega, yRow + t * step);
      }
      if ((PLANES & 64u) != 0u) { found.w *= factors[p.fo.y + xRow + t * step]; }
    }
    alpha[t] = found.x;
    beta[t] = found.y;
    omega[t] = found.z;
    scaleOf[t] = found.w;
  }

  // x, S.
  var sums = vec2f();
  var topX = vec4f();
  var topS = vec4f();
  let wide = i32(select(columnsLeft, featuresLeft, XCH == 1u));
  // @unroll
  for (var l = 0u; l < L; l++) {
    f[2u * l] = select(vec4f(), sx[l] * f[2u * l], some0);
    f[2u * l + 1u] = select(vec4f(), sx[l] * f[2u * l + 1u], some1);
    topX = max(topX, largest(f[2u * l], f[2u * l + 1u]));
    if (EXTRA > 1u) {
      let share = dot(f[2u * l], select(vec4f(), z0, some0)) + dot(f[2u * l + 1u], select(vec4f(), z1, some1));
      if (EXTRA == 4u) { sums.x += share; } else { shares[8u * (own + DOWN * l) + eight] = share; }
    }
    let deep = own + DOWN * l < select(p.features, p.columns, XCH == 1u);
    fs[2u * l] = select(vec4f(), fs[2u * l] + fl[2u * l], FULL == 1u || (deep && wide > 0));
    fs[2u * l + 1u] = select(vec4f(), fs[2u * l + 1u] + fl[2u * l + 1u], FULL == 1u || (deep && wide > 4));
    topS = max(topS, largest(fs[2u * l], fs[2u * l + 1u]));
  }
  raise(0u, topX);
  raise(1u, topS);
  workgroupBarrier();
  let ofX = exponentOf(0u);
  let ofS = exponentOf(1u);
  // @unroll
  for (var l = 0u; l < L; l++) {
    stage(block + DOWN / 16u * l, place, power(ofX) * f[2u * l], power(ofX) * f[2u * l + 1u]);
  }
  if (CAUSAL == 1u) {
    // @unroll
    for (var l = 0u; l < L; l++) {
      let n = own + DOWN * l;
      let row = yRow + select(0u, n * step, n < rows);
      f[2u * l] = yFour(row * p.features + 8u * eight, featuresLeft);
      f[2u * l + 1u] = yFour(row * p.features + 8u * eight + 4u, featuresLeft - 4u);
      sr[l] = 1.0;
      if ((PLANES & 4u) != 0u) { sr[l] = factors[p.fy.y + row]; }
    }
  }
  var xm: array<Left, B * PARTS>;
  if (PARTS == 2u) {
    workgroupBarrier();
    // @unroll
    for (var k = 0u; k < B; k++) {
      xm[k] = leftAt(4u * (k / 2u) + strip, 2u * (k % 2u));
      xm[LOW * B + k] = leftAt(LOW * PART + 4u * (k / 2u) + strip, 2u * (k % 2u));
    }
    workgroupBarrier();
  }
  // @unroll
  for (var l = 0u; l < L; l++) {
    stage(OTHER + block + DOWN / 16u * l, place, power(ofS) * fs[2u * l], power(ofS) * fs[2u * l + 1u]);
  }
  workgroupBarrier();
  if (PARTS == 1u) {
    // @unroll
    for (var k = 0u; k < B; k++) { xm[k] = leftAt(4u * (k / 2u) + strip, 2u * (k % 2u)); }
  }
  var o: array<Sum, BJ>;
  // @unroll
  for (var k = 0u; k < B; k++) {
    // @unroll
    for (var j = 0u; j < BJ; j++) {
      // By rows, too, a subgroup's columns begin a block: it has two tiles of them, or all.
      if (XCH == 1u) {
        o[j] = addTurned(xm[k], xm[LOW * B + k], OTHER + 4u * (k / 2u) + BJ * way + j, 2u * (k % 2u), o[j]);
      } else {
        o[j] = add(xm[k], xm[LOW * B + k], OTHER + 4u * way + k, 2u * j, o[j]);
      }
    }
  }
  var ofOut = ofX + ofS;

  if (CAUSAL == 1u) {
    // y.
    var topY = vec4f();
    // @unroll
    for (var l = 0u; l < L; l++) {
      let by = select(0.0, scaleY * sr[l], own + DOWN * l < rows);
      f[2u * l] = select(vec4f(), by * f[2u * l], some0);
      f[2u * l + 1u] = select(vec4f(), by * f[2u * l + 1u], some1);
      topY = max(topY, largest(f[2u * l], f[2u * l + 1u]));
    }
    raise(2u, topY);
    workgroupBarrier();
    let ofY = exponentOf(2u);
    // @unroll
    for (var l = 0u; l < L; l++) {
      stage(block + DOWN / 16u * l, place, power(ofY) * f[2u * l], power(ofY) * f[2u * l + 1u]);
    }
    // @unroll
    for (var l = 0u; l < L; l++) {
      let n = own + DOWN * l;
      let row = yRow + select(0u, n * step, n < rows);
      f[2u * l] = zFour(row * p.columns + 8u * eight, columnsLeft);
      f[2u * l + 1u] = zFour(row * p.columns + 8u * eight + 4u, columnsLeft - 4u);
      sr[l] = 1.0;
      if ((PLANES & 16u) != 0u) { sr[l] = factors[p.fz.y + row]; }
    }
    workgroupBarrier();
    var pa: array<Sum, BN>;
    // @unroll
    for (var n = 0u; n < BN; n++) {
      let keys = WAYS * n + way;
      if (keys <= strip) {
        // @unroll
        for (var k = 0u; k < B; k++) { pa[n] = addTurned(xm[k], xm[LOW * B + k], 4u * (k / 2u) + keys, 2u * (k % 2u), pa[n]); }
      }
    }
    workgroupBarrier();
    // @unroll
    for (var n = 0u; n < BN; n++) {
      let keys = WAYS * n + way;
      if (keys <= strip) { storeSum(4u * keys + strip, pa[n]); }
    }
    workgroupBarrier();
    // P, zero above the diagonal; z.
    let eightP = t % 8u;
    let ownP = t / 8u;
    let blockP = 4u * (eightP / 4u) + ownP / 16u;
    let placeP = (ownP % 16u) * STRIDE + eightP % 4u;
    let sumP = 4u * (eightP / 2u) + ownP / 16u;
    let inSumP = (ownP % 16u) * STRIDE + 2u * (eightP % 2u);
    let n0 = 8u * eightP;
    let b0 = vec4f(beta[n0], beta[n0 + 1u], beta[n0 + 2u], beta[n0 + 3u]);
    let b1 = vec4f(beta[n0 + 4u], beta[n0 + 5u], beta[n0 + 6u], beta[n0 + 7u]);
    let w0 = vec4f(omega[n0], omega[n0 + 1u], omega[n0 + 2u], omega[n0 + 3u]);
    let w1 = vec4f(omega[n0 + 4u], omega[n0 + 5u], omega[n0 + 6u], omega[n0 + 7u]);
    var pv: array<vec4f, 2u * LP>;
    let ofP = ofX + ofY;
    var topP = vec4f();
    // @unroll
    for (var l = 0u; l < LP; l++) {
      let i = ownP + DOWNP * l;
      let n = vec4u(8u * eightP) + vec4u(0u, 1u, 2u, 3u);
      let p0 = power(-ofP) * bitcast<vec4f>(tile[sumP + DOWNP / 16u * l][inSumP]) + alpha[i] * b0;
      let p1 = power(-ofP) * bitcast<vec4f>(tile[sumP + DOWNP / 16u * l][inSumP + 1u]) + alpha[i] * b1;
      pv[2u * l] = select(vec4f(), p0, n <= vec4u(i));
      pv[2u * l + 1u] = select(vec4f(), p1, n + 4u <= vec4u(i));
      if (EXTRA > 1u) {
        let sum = dot(pv[2u * l], w0) + dot(pv[2u * l + 1u], w1);
        if (EXTRA == 4u) { sums.x += sum; } else { shares[8u * i + eightP] += sum; }
      }
      topP = max(topP, largest(pv[2u * l], pv[2u * l + 1u]));
    }
    var topZ = vec4f();
    // @unroll
    for (var l = 0u; l < L; l++) {
      let by = select(0.0, scaleZ * sr[l], own + DOWN * l < rows);
      f[2u * l] = select(vec4f(), by * f[2u * l], FULL == 1u || 8u * eight < p.columns);
      f[2u * l + 1u] = select(vec4f(), by * f[2u * l + 1u], FULL == 1u || 8u * eight + 4u < p.columns);
      topZ = max(topZ, largest(f[2u * l], f[2u * l + 1u]));
    }
    raise(3u, topP);
    raise(4u, topZ);
    workgroupBarrier();
    let scaleP = exponentOf(3u);
    let ofZ = min(exponentOf(4u), ofOut - scaleP);
    // @unroll
    for (var l = 0u; l < LP; l++) {
      stage(blockP + DOWNP / 16u * l, placeP, power(scaleP) * pv[2u * l], power(scaleP) * pv[2u * l + 1u]);
    }
    var pm: array<Left, 4u * PARTS>;
    if (PARTS == 2u) {
      workgroupBarrier();
      // @unroll
      for (var n = 0u; n < 4u; n++) {
        pm[n] = leftAt(4u * (n / 2u) + strip, 2u * (n % 2u));
        pm[LOW * 4u + n] = leftAt(LOW * PART + 4u * (n / 2u) + strip, 2u * (n % 2u));
      }
      workgroupBarrier();
    }
    // @unroll
    for (var l = 0u; l < L; l++) {
      stage(OTHER + block + DOWN / 16u * l, place, power(ofZ) * f[2u * l], power(ofZ) * f[2u * l + 1u]);
    }
    workgroupBarrier();
    if (PARTS == 1u) {
      // @unroll
      for (var n = 0u; n < 4u; n++) { pm[n] = leftAt(4u * (n / 2u) + strip, 2u * (n % 2u)); }
    }
    // @unroll
    for (var j = 0u; j < BJ; j++) { o[j] = scaled(o[j], power(scaleP + ofZ - ofOut)); }
    ofOut = scaleP + ofZ;
    // @unroll
    for (var n = 0u; n < 4u; n++) {
      if (n <= strip) {
        // @unroll
        for (var j = 0u; j < BJ; j++) { o[j] = add(pm[n], pm[LOW * 4u + n], OTHER + 4u * way + n, 2u * j, o[j]); }
      }
    }
  }

  // U, and rows to turn by, on their way while the sums go to where rows can be read.
  let four = t % (K / 4u);
  let down = t / (K / 4u);
  let column = 4u * four;
  let inU = (p.atU + min(column, (p.columns + 3u) / 4u * 4u - 4u)) / 4u;
  let u = slots[base / 4u + inU] + slots[local / 4u + inU];
  var av: array<vec4f, 64u / DOWNO>;
  var brought: array<f32, 64u / DOWNO>;
  if (EXTRA == 1u) {
    // @unroll
    for (var r = 0u; r < 64u / DOWNO; r++) {
      let loads = down + DOWNO * r < rows && column < p.columns;
      let row = xRow + select(0u, (down + DOWNO * r) * step, loads);
      av[r] = select(vec4f(), auxFour(row * p.columns + select(0u, column, loads), p.columns - column), loads);
      brought[r] = factors[p.lengths + row];
    }
  }
  workgroupBarrier();
  // @unroll
  for (var j = 0u; j < BJ; j++) { storeSum(4u * (BJ * way + j) + strip, o[j]); }
  if (EXTRA > 1u && t < 64u) {
    let count = slots[(base + p.atC) / 4u].x + slots[(local + p.atC) / 4u].x;
    if (EXTRA == 4u) {
      sums.x += count * alpha[t];
    } else {
      var sum = count * alpha[t];
      for (var e = 0u; e < 8u; e++) { sum += shares[8u * t + e]; }
      if (t < rows) {
        let row = xRow + t * step;
        if (EXTRA == 3u && ACC == 1u) { extra[row] += sum; } else { extra[row] = sum; }
      }
      if (EXTRA == 2u) { scaleOf[t] /= sum; }
    }
  }
  workgroupBarrier();
  var d: array<vec4f, 64u / DOWNO>;
  // @unroll
  for (var r = 0u; r < 64u / DOWNO; r++) {
    let i = down + DOWNO * r;
    d[r] = power(-ofOut) * bitcast<vec4f>(tile[4u * (four / 4u) + down / 16u + DOWNO / 16u * r][(down % 16u) * STRIDE + four % 4u]) + alpha[i] * u;
  }
  var g: array<f32, 64u / DOWNO>;
  if (EXTRA == 1u) {
    // Back through the normalisation: see attention/chunk.wgsl.
    // @unroll
    for (var r = 0u; r < 64u / DOWNO; r++) { d[r] *= scaleOf[down + DOWNO * r]; }
    // out · aux, of two rows at a time.
    // @unroll
    for (var h = 0u; h < 32u / DOWNO; h++) {
      workgroupBarrier();
      shares[t] = dot(av[2u * h], d[2u * h]);
      shares[NT + t] = dot(av[2u * h + 1u], d[2u * h + 1u]);
      workgroupBarrier();
      // @unroll
      for (var e = 0u; e < K / 4u; e++) {
        g[2u * h] += shares[t - four + e];
        g[2u * h + 1u] += shares[NT + t - four + e];
      }
    }
  }
  // @unroll
  for (var r = 0u; r < 64u / DOWNO; r++) {
    let i = down + DOWNO * r;
    if (i < rows && column < p.columns) {
      let to = (xRow + i * step) * p.columns + column;
      if (EXTRA == 4u) { sums.y += dot(auxFour(to, p.columns - column), d[r]); }
      var value = d[r];
      if (EXTRA == 1u) {
        let inverse2 = brought[r] * brought[r] * p.inverseRadius2;
        value = select(0.0, brought[r], inverse2 < 0.99e36) * (value - inverse2 * g[r] * av[r]);
      } else {
        value *= scaleOf[i];
      }
      if (ACC == 1u) { value += outFour(to, p.columns - column); }
      outStore(to, p.columns - column, value);
    }
  }

  if (EXTRA == 4u) {
    workgroupBarrier();
    shares[t] = sums.x;
    shares[NT + t] = sums.y;
    workgroupBarrier();
    if (t < 32u) {
      let begin = NT * (t / 16u) + t % 16u;
      var sum = shares[begin];
      for (var i = 1u; i < NT / 16u; i++) { sum += shares[begin + 16u * i]; }
      scaleOf[t] = sum;
    }
    workgroupBarrier();
    if (t < 2u) {
      var total = 0.0;
      for (var i = 0u; i < 16u; i++) { total += scaleOf[16u * t + i]; }
      extra[2u * (p.sumsAt + group.y * groups.x + group.x) + t] = total;
    }
  }
}
