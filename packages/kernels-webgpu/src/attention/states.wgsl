// What tokens add to the state: S = Σ y zᵀ, U = Σ β z, Z = Σ ω y, c = Σ β ω. One workgroup a segment (x), head (y) and tile of
// 4 M4 x 4 J4 numbers of S (z) goes through its segment's tokens, C at a time. The segment's sum goes to its slot; EVERY: so does, after
// every chunk but the last, what has come so far.
@group(0) @binding(2) var<storage, read> y: array<XUnit>;
@group(0) @binding(3) var<storage, read> z: array<ZUnit>;
@group(0) @binding(4) var<storage, read_write> slots: array<vec4f>;

const NT = TY * TX;
const SM = (M4 + TY - 1u) / TY;
const RJ = J4 / TX;
const LY = C * M4 / NT;
const LZ = C * J4 / NT;
const ROW = M4 + J4;

// By token: y, then z.
var<workgroup> tile: array<array<vec4f, ROW>, C>;
var<workgroup> counts: array<f32, C>;

@compute @workgroup_size(TY * TX)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) t: u32) {
  // @registers s yv zv fy fz sy sz sb so
  // Of several parts each has all heads, a plane of factors of y, and a region of slots.
  let pair = group.y % p.pairs;
  let part = group.y / p.pairs;
  let planeY = p.fy.y + part * p.stepY;
  let place = placeOf(t, TY, TX);
  let ty = place.x;
  let tx = place.y;
  let tilesJ = (p.columns + 4u * J4 - 1u) / (4u * J4);
  let m0 = 4u * M4 * (group.z / tilesJ);
  let j0 = 4u * J4 * (group.z % tilesJ);
  let first = group.x * p.segment;
  let last = min(first + p.segment, p.length);
  let step = select(p.heads, 0u - p.heads, p.reverse == 1u);   // to the next row of this head; wraps
  let scaleY = factors[p.fy.x];
  let scaleZ = factors[p.fz.x];
  var s: array<vec4f, SM * 4u * RJ>;
  // What this invocation loads, summed: shares of U and Z.
  var us = vec4f();
  var zs = vec4f();
  var count = 0.0;

  let fOwn = m0 + 4u * (t % M4);
  let jOwn = j0 + 4u * (t % J4);
  // Of C tokens from `ahead` on, from where each load begins; past the last row the first is loaded again.
  let row0 = rowOf(1u, pair, first);
  let iY = t / M4;
  let iZ = t / J4;
  let yOwn = (row0 + iY * step) * p.features + fOwn;
  let zOwn = (row0 + iZ * step) * p.columns + jOwn;
  // @block fetch
  {
    let rows = min(C, last - first - ahead);
    // @unroll
    for (var l = 0u; l < LY; l++) {
      let down = ahead + select(0u - iY, l * (NT / M4), iY + l * (NT / M4) < rows);
      fy[l] = yFour(yOwn + down * step * p.features, p.features - fOwn);
      if ((PLANES & 4u) != 0u) { sy[l] = factors[planeY + row0 + (iY + down) * step]; }
      if ((PLANES & 32u) != 0u) { so[l] = factors[p.fOmega.y + row0 + (iY + down) * step]; }
    }
    // @unroll
    for (var l = 0u; l < LZ; l++) {
      let down = ahead + select(0u - iZ, l * (NT / J4), iZ + l * (NT / J4) < rows);
      fz[l] = zFour(zOwn + down * step * p.columns, p.columns - jOwn);
      if ((PLANES & 16u) != 0u) { sz[l] = factors[p.fz.y + row0 + (iZ + down) * step]; }
      if ((PLANES & 8u) != 0u) { sb[l] = factors[p.fBeta.y + row0 + (iZ + down) * step]; }
    }
    let row = row0 + (ahead + min(t, rows - 1u)) * step;
    if ((PLANES & 8u) != 0u) { own.x = factors[p.fBeta.y + row]; }
    if ((PLANES & 32u) != 0u) { own.y = factors[p.fOmega.y + row]; }
  }
  // @end
  // The sums so far go to the slot at `to`.
  // @block write
  {
    if (M4 >= TY || ty < M4) {
      // @unroll
      for (var m = 0u; m < SM; m++) {
        // @unroll
        for (var i = 0u; i < 4u; i++) {
          // @unroll
          for (var j = 0u; j < RJ; j++) {
            let row = m0 + 4u * (ty + TY * m) + i;
            let column = j0 + 4u * (tx + TX * j);
            if (FULL == 1u || (row < p.features && column < p.strideS)) { slots[(to + row * p.strideS + column) / 4u] = s[(m * 4u + i) * RJ + j]; }
          }
        }
      }
    }
    workgroupBarrier();
    tile[t / J4][M4 + t % J4] = us;
    tile[t / M4][t % M4] = zs;
    if (t < C) { counts[t] = count; }
    workgroupBarrier();
    if (m0 == 0u) {
      for (var e = t; e < J4; e += NT) {
        var sum = vec4f();
        // @unroll
        for (var i = 0u; i < NT / J4; i++) { sum += tile[i][M4 + e]; }
        if (j0 + 4u * e < p.strideS) { slots[(to + p.atU + j0) / 4u + e] = sum; }
      }
    }
    if (j0 == 0u) {
      for (var e = NT - 1u - t; e < M4; e += NT) {
        var sum = vec4f();
        // @unroll
        for (var i = 0u; i < NT / M4; i++) { sum += tile[i][e]; }
        if (m0 + 4u * e < p.features) { slots[(to + p.atZ + m0) / 4u + e] = sum; }
      }
    }
    if (group.z == 0u && t == NT / 2u) {
      var sum = 0.0;
      // @unroll
      for (var i = 0u; i < C; i++) { sum += counts[i]; }
      slots[(to + p.atC) / 4u] = vec4f(sum, 0.0, 0.0, 0.0);
    }
  }
  // @end
  var fy: array<vec4f, LY>;
  var fz: array<vec4f, LZ>;
  var sy: array<f32, LY>;
  var so: array<f32, LY>;
  var sz: array<f32, LZ>;
  var sb: array<f32, LZ>;
  var own = vec2f(1.0);   // β and ω of row t
  // @unroll
  for (var l = 0u; l < LY; l++) {
    sy[l] = 1.0;
    so[l] = 1.0;
  }
  // @unroll
  for (var l = 0u; l < LZ; l++) {
    sz[l] = 1.0;
    sb[l] = 1.0;
  }
  let coefficients = vec2f(factors[p.fBeta.x], factors[p.fOmega.x]);
  var ahead = 0u;
  // @place fetch

  for (var at = first; at < last; at += C) {
    let rows = min(C, last - at);
    // The last step may still be read.
    workgroupBarrier();
    // @unroll
    for (var l = 0u; l < LY; l++) {
      let i = iY + l * (NT / M4);
      // Past the last row are others, which count 0 times.
      let yIn = select(vec4f(), select(0.0, scaleY * sy[l], i < rows) * fy[l], FULL == 1u || fOwn < p.features);
      tile[i][t % M4] = yIn;
      zs += (coefficients.y * so[l]) * yIn;
    }
    // @unroll
    for (var l = 0u; l < LZ; l++) {
      let i = iZ + l * (NT / J4);
      let zIn = select(vec4f(), select(0.0, scaleZ * sz[l], i < rows) * fz[l], FULL == 1u || jOwn < p.columns);
      tile[i][M4 + t % J4] = zIn;
      us += (coefficients.x * sb[l]) * zIn;
    }
    if (t < rows) { count += coefficients.x * own.x * coefficients.y * own.y; }
    workgroupBarrier();
    let next = at + C;
    ahead = select(at, next, next < last) - first;
    // @place fetch
    if (M4 >= TY || ty < M4) {
      // @unroll
      for (var k = 0u; k < C; k++) {
        var yv: array<vec4f, SM>;
        var zv: array<vec4f, RJ>;
        // @unroll
        for (var m = 0u; m < SM; m++) { yv[m] = tile[k][ty + TY * m]; }
        // @unroll
        for (var j = 0u; j < RJ; j++) { zv[j] = tile[k][M4 + tx + TX * j]; }
        // @unroll
        for (var m = 0u; m < SM; m++) {
          // @unroll
          for (var i = 0u; i < 4u; i++) {
            // @unroll
            for (var j = 0u; j < RJ; j++) { s[(m * 4u + i) * RJ + j] = fma(vec4f(yv[m][i]), zv[j], s[(m * 4u + i) * RJ + j]); }
          }
        }
      }
    }
    if (EVERY == 1u && (next - first) % p.chunk == 0u && next < last) {
      let to = part * p.region + p.locals + ((pair * p.segments + group.x) * (p.segment / p.chunk - 1u) + (next - first) / p.chunk - 1u) * p.slot;
      // @place write
    }
  }

  let to = part * p.region + (pair * (p.segments + 1u) + group.x) * p.slot;
  // @place write
}
