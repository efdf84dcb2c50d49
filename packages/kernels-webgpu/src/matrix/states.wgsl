// attention/states.wgsl on matrix units: the same sums, parameters and buffers; see there. A workgroup goes through a segment (x) of a head (y),
// 64 tokens at a time, with all of S, K features by K columns at most. Each chunk's sum is a product of its own; what has come so far is
// added in float32, because matrix units cut sums off where float32 rounds.
@group(0) @binding(2) var<storage, read> y: array<XUnit>;
@group(0) @binding(3) var<storage, read> z: array<ZUnit>;
@group(0) @binding(4) var<storage, read_write> slots: array<vec4f>;

const SLOTS = 4u;
const NT = 128u * WAYS;
const Q = K / 8u;               // eights of a row
const L = 64u * Q / NT;         // eights of an invocation
const DOWN = NT / Q;            // rows between them, whole blocks; so many invocations have the same features, and columns
const B = K / 16u;              // tiles of features
const BJ = B / WAYS;            // tiles of columns of a subgroup
const LOW = PARTS - 1u;
const OTHER = (2u - PARTS) * PART;   // where z has room beside y, without low parts
const R = max(1u, K * K / 4u / NT);    // fours of S of an invocation
const DOWNS = 4u * NT / K;             // rows between them
var<workgroup> counts: array<f32, NT>;

@compute @workgroup_size(NT)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) t: u32, @builtin(subgroup_id) subgroup: u32) {
  // @registers fy fz sy so sz sb ym s held
  let strip = subgroup % 4u;
  let way = subgroup / 4u;
  let pair = group.y;
  let first = group.x * p.segment;
  let last = min(first + p.segment, p.length);
  let step = select(p.heads, 0u - p.heads, p.reverse == 1u);   // to the next row of this head; wraps
  // Invocations load eight numbers at a time: of the rows own + DOWN l, from eight * 8 on.
  let eight = t % Q;
  let own = t / Q;
  let m = 8u * eight;             // feature, and column
  // Where the first goes: z by blocks as in tile.wgsl; y by blocks of 16 features by 32 tokens, so that a subgroup's features begin a block.
  let block = 4u * (eight / 4u) + own / 16u;
  let place = (own % 16u) * STRIDE + eight % 4u;
  let blockY = 2u * (eight / 2u) + own / 32u;
  let placeY = (own % 16u) * STRIDE + 2u * ((own / 16u) % 2u) + eight % 2u;
  // Of S, and of sums, invocations have four numbers at a time.
  let four = t % (K / 4u);
  let down = t / (K / 4u);

  // @block fetch
  {
    let rows = min(64u, last - fetchAt);
    let row0 = rowOf(1u, pair, fetchAt);
    // @unroll
    for (var l = 0u; l < L; l++) {
      let i = own + DOWN * l;
      let row = row0 + select(0u, i * step, i < rows);
      fy[2u * l] = yFour(row * p.features + m, p.features - m);
      fy[2u * l + 1u] = yFour(row * p.features + m + 4u, p.features - m - 4u);
      fz[2u * l] = zFour(row * p.columns + m, p.columns - m);
      fz[2u * l + 1u] = zFour(row * p.columns + m + 4u, p.columns - m - 4u);
      if ((PLANES & 4u) != 0u) { sy[l] = factors[p.fy.y + row]; }
      if ((PLANES & 8u) != 0u) { sb[l] = factors[p.fBeta.y + row]; }
      if ((PLANES & 16u) != 0u) { sz[l] = factors[p.fz.y + row]; }
      if ((PLANES & 32u) != 0u) { so[l] = factors[p.fOmega.y + row]; }
    }
  }
  // @end
  // The sums so far go to the slot at `to`.
  // @block write
  {
    // @unroll
    for (var r = 0u; r < R; r++) {
      let i = down + DOWNS * r;
      if (i < p.features && 4u * four < p.strideS) { slots[(to + i * p.strideS) / 4u + four] = held[r]; }
    }
    workgroupBarrier();
    // 64 a block.
    tile[t / 64u][t % 64u] = bitcast<vec4u>(us0);
    tile[4u + t / 64u][t % 64u] = bitcast<vec4u>(us1);
    tile[8u + t / 64u][t % 64u] = bitcast<vec4u>(zs0);
    tile[12u + t / 64u][t % 64u] = bitcast<vec4u>(zs1);
    counts[t] = count;
    workgroupBarrier();
    if (t < 4u * Q) {
      let which = t / Q;
      var sum = vec4f();
      for (var e = 0u; e < DOWN; e++) {
        let other = t % Q + Q * e;
        sum += bitcast<vec4f>(tile[4u * which + other / 64u][other % 64u]);
      }
      let e = 8u * (t % Q) + 4u * (which % 2u);
      if (which < 2u) {
        if (e < p.strideS) { slots[(to + p.atU + e) / 4u] = sum; }
      } else if (e < p.features) { slots[(to + p.atZ + e) / 4u] = sum; }
    }
    if (t == NT - 1u) {
      var sum = 0.0;
      for (var e = 0u; e < DOWN; e++) { sum += counts[Q * e]; }
      slots[(to + p.atC) / 4u] = vec4f(sum, 0.0, 0.0, 0.0);
    }
  }
  // @end
  var fy: array<vec4f, 2u * L>;
  var fz: array<vec4f, 2u * L>;
  var sy: array<f32, L>;
  var so: array<f32, L>;
  var sz: array<f32, L>;
  var sb: array<f32, L>;
  // @unroll
  for (var l = 0u; l < L; l++) {
    sy[l] = 1.0;
    so[l] = 1.0;
    sz[l] = 1.0;
    sb[l] = 1.0;
  }
  var held: array<vec4f, R>;
  // @unroll
  for (var r = 0u; r < R; r++) { held[r] = vec4f(); }
  // Of what this invocation loads: shares of U, Z and c.
  var us0 = vec4f();
  var us1 = vec4f();
  var zs0 = vec4f();
  var zs1 = vec4f();
  var count = 0.0;
  let scaleY = factors[p.fy.x];
  let scaleZ = factors[p.fz.x];
  let coefficients = vec2f(factors[p.fBeta.x], factors[p.fOmega.x]);
  var slot = 0u;   // of this chunk's largest numbers; the next chunk has the other two
  var fetchAt = first;
  // @place fetch

  for (var at = first; at < last; at += 64u) {
    let rows = min(64u, last - at);
    var topY = vec4f();
    var topZ = vec4f();
    // @unroll
    for (var l = 0u; l < L; l++) {
      let some = own + DOWN * l < rows;
      let byY = scaleY * sy[l];
      let byZ = scaleZ * sz[l];
      fy[2u * l] = select(vec4f(), byY * fy[2u * l], some && m < p.features);
      fy[2u * l + 1u] = select(vec4f(), byY * fy[2u * l + 1u], some && m + 4u < p.features);
      fz[2u * l] = select(vec4f(), byZ * fz[2u * l], some && m < p.columns);
      fz[2u * l + 1u] = select(vec4f(), byZ * fz[2u * l + 1u], some && m + 4u < p.columns);
      let b = coefficients.x * sb[l];
      let w = coefficients.y * so[l];
      us0 += b * fz[2u * l];
      us1 += b * fz[2u * l + 1u];
      zs0 += w * fy[2u * l];
      zs1 += w * fy[2u * l + 1u];
      count += select(0.0, b * w, some);
      topY = max(topY, largest(fy[2u * l], fy[2u * l + 1u]));
      topZ = max(topZ, largest(fz[2u * l], fz[2u * l + 1u]));
    }
    raise(slot, topY);
    raise(slot + 1u, topZ);
    workgroupBarrier();
    let ofY = exponentOf(slot);
    let ofZ = exponentOf(slot + 1u);
    slot = 2u - slot;
    if (t < 2u) { atomicStore(&tops[slot + t], 0u); }
    // @unroll
    for (var l = 0u; l < L; l++) {
      stage(blockY + DOWN / 32u * l, placeY, power(ofY) * fy[2u * l], power(ofY) * fy[2u * l + 1u]);
    }
    var ym: array<Left, 4u * PARTS>;
    if (PARTS == 2u) {
      // y and z take the same place, one after the other.
      workgroupBarrier();
      // @unroll
      for (var n = 0u; n < 4u; n++) {
        ym[n] = leftTurnedAt(2u * strip + n / 2u, 2u * (n % 2u));
        ym[LOW * 4u + n] = leftTurnedAt(LOW * PART + 2u * strip + n / 2u, 2u * (n % 2u));
      }
      workgroupBarrier();
    }
    // @unroll
    for (var l = 0u; l < L; l++) {
      stage(OTHER + block + DOWN / 16u * l, place, power(ofZ) * fz[2u * l], power(ofZ) * fz[2u * l + 1u]);
    }
    // Without a condition (attention/chunk.wgsl says why): the last step loads its own rows again.
    let next = at + 64u;
    fetchAt = select(at, next, next < last);
    // @place fetch
    workgroupBarrier();
    var s: array<Sum, BJ>;
    if (strip < B) {
      if (PARTS == 1u) {
        // @unroll
        for (var n = 0u; n < 4u; n++) { ym[n] = leftTurnedAt(2u * strip + n / 2u, 2u * (n % 2u)); }
      }
      // @unroll
      for (var j = 0u; j < BJ; j++) { s[j] = Sum(); }
      // @unroll
      for (var n = 0u; n < 4u; n++) {
        // @unroll
        for (var j = 0u; j < BJ; j++) { s[j] = add(ym[n], ym[LOW * 4u + n], OTHER + 4u * way + n, 2u * j, s[j]); }
      }
    }
    workgroupBarrier();
    if (strip < B) {
      // @unroll
      for (var j = 0u; j < BJ; j++) { storeSum(4u * (BJ * way + j) + strip, s[j]); }
    }
    workgroupBarrier();
    // @unroll
    for (var r = 0u; r < R; r++) {
      let sum = tile[4u * (four / 4u) + down / 16u + DOWNS / 16u * r][(down % 16u) * STRIDE + four % 4u];
      held[r] += power(-ofY - ofZ) * bitcast<vec4f>(sum);
    }
    if (EVERY == 1u && next < last) {
      let to = p.locals + ((pair * p.segments + group.x) * (p.segment / 64u - 1u) + (next - first) / 64u - 1u) * p.slot;
      // @place write
    }
  }

  let to = (pair * (p.segments + 1u) + group.x) * p.slot;
  // @place write
}
