// attention/chunk.wgsl on matrix units: the same primitive, parameters and buffers; see there. A workgroup has a chunk of 64 rows (x), a head
// (y) and K columns (z); each WAYS of its subgroups have 16 rows, and share the blocks of columns and keys. Tiles of x, S, y, P and z go
// through workgroup memory one after the other: out = x S, by panels of K features, P = x yᵀ, out += P z. Blocks of P above the diagonal
// are left out. α β and U are added in float32. Loads are under way while what came before is multiplied. Sums are kept at the scale of
// the smallest of what was added (`ofOut`, `ofP`: exponents that only fall).
@group(0) @binding(2) var<storage, read> x: array<XUnit>;
@group(0) @binding(3) var<storage, read> y: array<XUnit>;
@group(0) @binding(4) var<storage, read> z: array<ZUnit>;
@group(0) @binding(5) var<storage, read> slots: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> out: array<ZUnit>;
@group(0) @binding(7) var<storage, read_write> extra: array<f32>;
@group(0) @binding(8) var<storage, read> aux: array<ZUnit>;

const NT = 128u * WAYS;
const Q = K / 8u;               // eights of a row
const L = 64u * Q / NT;         // eights of an invocation
const DOWN = NT / Q;            // rows between them
const LP = 512u / NT;           // the same of P
const DOWNP = NT / 8u;
const B = K / 16u;              // blocks of features
const BJ = B / WAYS;            // blocks of columns, and of keys, of a subgroup
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
  // @registers f fs fl xm pm pa o pv g sx sr
  let strip = subgroup % 4u;
  let way = subgroup / 4u;
  let pair = group.y;
  let at = group.x * 64u;
  let rows = min(64u, p.length - at);
  let column0 = K * group.z;
  let segment = at / p.segment;
  let before = (at % p.segment) / 64u;   // chunks of this segment before this one
  let base = (pair * (p.segments + 1u) + select(p.segments, segment, CAUSAL == 1u)) * p.slot;
  // The slot before the locals is zero.
  let inside = CAUSAL == 1u && before > 0u;
  let local = p.locals + select(0u, (pair * p.segments + segment) * (p.segment / 64u - 1u) + before, inside) * p.slot - p.slot;
  let step = select(p.heads, 0u - p.heads, p.reverse == 1u);   // to the next row of this head; wraps
  let xRow = rowOf(0u, pair, at);
  let yRow = rowOf(1u, pair, at);
  // Invocations load eight numbers at a time: of the rows own + DOWN l, from eight * 8 on.
  let eight = t % Q;
  let own = t / Q;

  // @block fetchX
  {
    // @unroll
    for (var l = 0u; l < L; l++) {
      let i = own + DOWN * l;
      let begin = (xRow + select(0u, i * step, i < rows)) * p.features + K * fetched + 8u * eight;
      let left = p.features - K * fetched - 8u * eight;
      f[2u * l] = xFour(begin, left);
      f[2u * l + 1u] = xFour(begin + 4u, left - 4u);
    }
  }
  // @end
  // S and Z. Rows of the tile of S are features, or (XCH) columns.
  // @block fetchS
  {
    // @unroll
    for (var l = 0u; l < L; l++) {
      let i = own + DOWN * l;
      let begin = select((K * fetched + i) * p.strideS + column0, (column0 + i) * p.strideS + K * fetched, XCH == 1u) / 4u + 2u * eight;
      fs[2u * l] = slots[base / 4u + begin];
      fs[2u * l + 1u] = slots[base / 4u + begin + 1u];
      if (CAUSAL == 1u) {
        fl[2u * l] = slots[local / 4u + begin];
        fl[2u * l + 1u] = slots[local / 4u + begin + 1u];
      }
    }
    if (EXTRA != 0u) {
      let last = (p.features + 3u) / 4u * 4u - 4u;
      let m0 = (p.atZ + min(K * fetched + 8u * eight, last)) / 4u;
      let m1 = (p.atZ + min(K * fetched + 8u * eight + 4u, last)) / 4u;
      z0 = slots[base / 4u + m0] + slots[local / 4u + m0];
      z1 = slots[base / 4u + m1] + slots[local / 4u + m1];
    }
  }
  // @end
  // @block fetchY
  {
    // @unroll
    for (var l = 0u; l < L; l++) {
      let n = own + DOWN * l;
      let row = yRow + select(0u, n * step, n < rows);
      let left = p.features - K * panel - 8u * eight;
      f[2u * l] = yFour(row * p.features + K * panel + 8u * eight, left);
      f[2u * l + 1u] = yFour(row * p.features + K * panel + 8u * eight + 4u, left - 4u);
      sr[l] = 1.0;
      if ((PLANES & 4u) != 0u) { sr[l] = factors[p.fy.y + row]; }
    }
  }
  // @end
  // @block fetchZ
  {
    // @unroll
    for (var l = 0u; l < L; l++) {
      let n = own + DOWN * l;
      let row = yRow + select(0u, n * step, n < rows);
      let left = p.columns - column0 - 8u * eight;
      f[2u * l] = zFour(row * p.columns + column0 + 8u * eight, left);
      f[2u * l + 1u] = zFour(row * p.columns + column0 + 8u * eight + 4u, left - 4u);
      sr[l] = 1.0;
      if ((PLANES & 16u) != 0u) { sr[l] = factors[p.fz.y + row]; }
    }
  }
  // @end
  var f: array<vec4f, 2u * L>;
  var fs: array<vec4f, 2u * L>;
  var fl: array<vec4f, 2u * L>;
  var sx: array<f32, L>;
  var sr: array<f32, L>;
  var z0: vec4f;
  var z1: vec4f;
  var fetched = 0u;
  // @place fetchX
  // @place fetchS
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

  var xm: array<Left, B * PARTS>;
  var pm: array<Left, 4u * PARTS>;
  var pa: array<Sum, BN>;
  var o: array<Sum, BJ>;
  var g: array<f32, L>;
  var ofOut = 200;
  var ofP = 200;
  // @unroll
  for (var l = 0u; l < L; l++) { g[l] = 0.0; }
  for (var panel = 0u; panel < PANELS; panel++) {
    let some0 = FULL == 1u || K * panel + 8u * eight < p.features;
    let some1 = FULL == 1u || K * panel + 8u * eight + 4u < p.features;
    // x, S.
    let wide = i32(select(p.columns - column0, p.features - K * panel, XCH == 1u) - 8u * eight);
    var topX = vec4f();
    var topS = vec4f();
    // @unroll
    for (var l = 0u; l < L; l++) {
      f[2u * l] = select(vec4f(), sx[l] * f[2u * l], some0);
      f[2u * l + 1u] = select(vec4f(), sx[l] * f[2u * l + 1u], some1);
      topX = max(topX, largest(f[2u * l], f[2u * l + 1u]));
      if (EXTRA != 0u) { g[l] += dot(f[2u * l], select(vec4f(), z0, some0)) + dot(f[2u * l + 1u], select(vec4f(), z1, some1)); }
      let i = own + DOWN * l;
      let deep = select(K * panel + i < p.features, column0 + i < p.columns, XCH == 1u) && i < K;
      fs[2u * l] = select(vec4f(), fs[2u * l] + fl[2u * l], (FULL == 1u && K == 64u) || (deep && wide > 0));
      fs[2u * l + 1u] = select(vec4f(), fs[2u * l + 1u] + fl[2u * l + 1u], (FULL == 1u && K == 64u) || (deep && wide > 4));
      topS = max(topS, largest(fs[2u * l], fs[2u * l + 1u]));
    }
    raise(3u * panel, topX);
    raise(3u * panel + 1u, topS);
    workgroupBarrier();
    let ofX = exponentOf(3u * panel);
    let ofS = min(exponentOf(3u * panel + 1u), ofOut - ofX);
    // @unroll
    for (var l = 0u; l < L; l++) {
      stage((own + DOWN * l) * HALVES + eight, power(ofX) * f[2u * l], power(ofX) * f[2u * l + 1u]);
    }
    fetched = panel + 1u;
    if (CAUSAL == 1u) {
      // @place fetchY
    } else if (PANELS > 1u && fetched < PANELS) {
      // @place fetchX
    }
    if (PARTS == 2u) {
      workgroupBarrier();
      // @unroll
      for (var k = 0u; k < B; k++) {
        xm[k] = leftAt(16u * HALVES * strip + 2u * k);
        xm[LOW * B + k] = leftAt(LOW * PART + 16u * HALVES * strip + 2u * k);
      }
      workgroupBarrier();
    }
    // @unroll
    for (var l = 0u; l < L; l++) {
      stage(OTHER + (own + DOWN * l) * HALVES + eight, power(ofS) * fs[2u * l], power(ofS) * fs[2u * l + 1u]);
    }
    if (PANELS > 1u && fetched < PANELS) {
      // @place fetchS
    }
    workgroupBarrier();
    if (PARTS == 1u) {
      // @unroll
      for (var k = 0u; k < B; k++) { xm[k] = leftAt(16u * HALVES * strip + 2u * k); }
    }
    if (PANELS > 1u && panel > 0u) {
      // @unroll
      for (var j = 0u; j < BJ; j++) { o[j] = scaled(o[j], power(ofX + ofS - ofOut)); }
    }
    ofOut = ofX + ofS;
    // @unroll
    for (var k = 0u; k < B; k++) {
      // @unroll
      for (var j = 0u; j < BJ; j++) {
        let block = BJ * way + j;
        if (XCH == 1u) {
          o[j] = addTurned(xm[k], xm[LOW * B + k], OTHER + 16u * HALVES * block + 2u * k, o[j]);
        } else {
          o[j] = add(xm[k], xm[LOW * B + k], OTHER + 16u * HALVES * k + 2u * block, o[j]);
        }
      }
    }
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
      raise(3u * panel + 2u, topY);
      workgroupBarrier();
      let ofY = min(exponentOf(3u * panel + 2u), ofP - ofX);
      // @unroll
      for (var l = 0u; l < L; l++) {
        stage((own + DOWN * l) * HALVES + eight, power(ofY) * f[2u * l], power(ofY) * f[2u * l + 1u]);
      }
      if (PANELS > 1u && fetched < PANELS) {
        // @place fetchX
      } else {
        // @place fetchZ
      }
      workgroupBarrier();
      if (PANELS > 1u && panel > 0u) {
        // @unroll
        for (var n = 0u; n < BN; n++) { pa[n] = scaled(pa[n], power(ofX + ofY - ofP)); }
      }
      ofP = ofX + ofY;
      // @unroll
      for (var n = 0u; n < BN; n++) {
        let block = WAYS * n + way;
        if (block <= strip) {
          // @unroll
          for (var k = 0u; k < B; k++) { pa[n] = addTurned(xm[k], xm[LOW * B + k], 16u * HALVES * block + 2u * k, pa[n]); }
        }
      }
    }
  }

  var sums = vec2f();
  if (EXTRA == 1u || EXTRA == 2u) {
    // @unroll
    for (var l = 0u; l < L; l++) { shares[8u * (own + DOWN * l) + eight] = g[l]; }
  } else if (EXTRA == 3u) {
    // @unroll
    for (var l = 0u; l < L; l++) { sums.x += g[l]; }
  }
  if (CAUSAL == 1u) {
    workgroupBarrier();
    // @unroll
    for (var n = 0u; n < BN; n++) {
      let block = WAYS * n + way;
      if (block <= strip) { storeSum(16u * FLOATS * strip + 4u * block, pa[n]); }
    }
    workgroupBarrier();
    // P, zero above the diagonal; z.
    let eightP = t % 8u;
    let ownP = t / 8u;
    let n0 = 8u * eightP;
    let b0 = vec4f(beta[n0], beta[n0 + 1u], beta[n0 + 2u], beta[n0 + 3u]);
    let b1 = vec4f(beta[n0 + 4u], beta[n0 + 5u], beta[n0 + 6u], beta[n0 + 7u]);
    let w0 = vec4f(omega[n0], omega[n0 + 1u], omega[n0 + 2u], omega[n0 + 3u]);
    let w1 = vec4f(omega[n0 + 4u], omega[n0 + 5u], omega[n0 + 6u], omega[n0 + 7u]);
    var pv: array<vec4f, 2u * LP>;
    var topP = vec4f();
    // @unroll
    for (var l = 0u; l < LP; l++) {
      let i = ownP + DOWNP * l;
      let begin = i * FLOATS + 2u * eightP;
      let n = vec4u(8u * eightP) + vec4u(0u, 1u, 2u, 3u);
      let p0 = power(-ofP) * bitcast<vec4f>(tile[begin]) + alpha[i] * b0;
      let p1 = power(-ofP) * bitcast<vec4f>(tile[begin + 1u]) + alpha[i] * b1;
      pv[2u * l] = select(vec4f(), p0, n <= vec4u(i));
      pv[2u * l + 1u] = select(vec4f(), p1, n + 4u <= vec4u(i));
      if (EXTRA != 0u) {
        let sum = dot(pv[2u * l], w0) + dot(pv[2u * l + 1u], w1);
        if (EXTRA == 3u) { sums.x += sum; } else { shares[8u * i + eightP] += sum; }
      }
      topP = max(topP, largest(pv[2u * l], pv[2u * l + 1u]));
    }
    var topZ = vec4f();
    // @unroll
    for (var l = 0u; l < L; l++) {
      let by = select(0.0, scaleZ * sr[l], own + DOWN * l < rows);
      f[2u * l] = select(vec4f(), by * f[2u * l], FULL == 1u || column0 + 8u * eight < p.columns);
      f[2u * l + 1u] = select(vec4f(), by * f[2u * l + 1u], FULL == 1u || column0 + 8u * eight + 4u < p.columns);
      topZ = max(topZ, largest(f[2u * l], f[2u * l + 1u]));
    }
    raise(3u * PANELS, topP);
    raise(3u * PANELS + 1u, topZ);
    workgroupBarrier();
    let scaleP = exponentOf(3u * PANELS);
    let ofZ = min(exponentOf(3u * PANELS + 1u), ofOut - scaleP);
    // @unroll
    for (var l = 0u; l < LP; l++) {
      stage((ownP + DOWNP * l) * HALVES + eightP, power(scaleP) * pv[2u * l], power(scaleP) * pv[2u * l + 1u]);
    }
    if (PARTS == 2u) {
      workgroupBarrier();
      // @unroll
      for (var n = 0u; n < 4u; n++) {
        pm[n] = leftAt(16u * HALVES * strip + 2u * n);
        pm[LOW * 4u + n] = leftAt(LOW * PART + 16u * HALVES * strip + 2u * n);
      }
      workgroupBarrier();
    }
    // @unroll
    for (var l = 0u; l < L; l++) {
      stage(OTHER + (own + DOWN * l) * HALVES + eight, power(ofZ) * f[2u * l], power(ofZ) * f[2u * l + 1u]);
    }
    workgroupBarrier();
    if (PARTS == 1u) {
      // @unroll
      for (var n = 0u; n < 4u; n++) { pm[n] = leftAt(16u * HALVES * strip + 2u * n); }
    }
    // @unroll
    for (var j = 0u; j < BJ; j++) { o[j] = scaled(o[j], power(scaleP + ofZ - ofOut)); }
    ofOut = scaleP + ofZ;
    // @unroll
    for (var n = 0u; n < 4u; n++) {
      if (n <= strip) {
        // @unroll
        for (var j = 0u; j < BJ; j++) {
          o[j] = add(pm[n], pm[LOW * 4u + n], OTHER + 16u * HALVES * n + 2u * (BJ * way + j), o[j]);
        }
      }
    }
  }

  // U, on its way while the sums go to where rows can be read.
  let column = column0 + 4u * (t % (K / 4u));
  let inU = (p.atU + min(column, (p.columns + 3u) / 4u * 4u - 4u)) / 4u;
  let u = slots[base / 4u + inU] + slots[local / 4u + inU];
  workgroupBarrier();
  // @unroll
  for (var j = 0u; j < BJ; j++) { storeSum(16u * FLOATS * strip + 4u * (BJ * way + j), o[j]); }
  if (EXTRA != 0u && t < 64u) {
    let count = slots[(base + p.atC) / 4u].x + slots[(local + p.atC) / 4u].x;
    if (EXTRA == 3u) {
      sums.x += count * alpha[t];
    } else {
      var sum = count * alpha[t];
      for (var e = 0u; e < 8u; e++) { sum += shares[8u * t + e]; }
      if (t < rows && group.z == 0u) {
        let row = xRow + t * step;
        if (EXTRA == 2u && ACC == 1u) { extra[row] += sum; } else { extra[row] = sum; }
      }
      if (EXTRA == 1u) { scaleOf[t] /= sum; }
    }
  }
  workgroupBarrier();
  // @unroll
  for (var r = 0u; r < 16u * K / NT; r++) {
    let i = t / (K / 4u) + (4u * NT / K) * r;
    if (i < rows && column < p.columns) {
      let to = (xRow + i * step) * p.columns + column;
      let sum = power(-ofOut) * bitcast<vec4f>(tile[i * FLOATS + t % (K / 4u)]) + alpha[i] * u;
      if (EXTRA == 3u) { sums.y += dot(auxFour(to, p.columns - column), sum); }
      var value = scaleOf[i] * sum;
      if (ACC == 1u) { value += outFour(to, p.columns - column); }
      outStore(to, p.columns - column, value);
    }
  }

  if (EXTRA == 3u) {
    // Every tile of columns has the same G.
    if (group.z > 0u) { sums.x = 0.0; }
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
      extra[2u * (p.sumsAt + (group.z * groups.y + group.y) * groups.x + group.x) + t] = total;
    }
  }
}
