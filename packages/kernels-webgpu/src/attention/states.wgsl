// What each segment adds to the state: S = Σ y zᵀ, U = Σ β z, Z = Σ ω y, c = Σ β ω over its tokens, into its slot.
// One workgroup a segment (x), head (y) and tile of 4 M4 x 4 J4 numbers of S (z).
@group(0) @binding(2) var<storage, read> y: array<XUnit>;
@group(0) @binding(3) var<storage, read> z: array<ZUnit>;
@group(0) @binding(4) var<storage, read_write> slots: array<f32>;

const NT = TY * TX;
const SM = (M4 + TY - 1u) / TY;
const RJ = J4 / TX;
const YP = NT / M4;
const ZP = NT / J4;
const LY = C * M4 / NT;
const LZ = C * J4 / NT;

var<workgroup> yTile: array<vec4f, C * M4>;
var<workgroup> zTile: array<vec4f, C * J4>;
var<workgroup> parts: array<vec4f, NT>;
var<workgroup> beta: array<f32, C>;
var<workgroup> omega: array<f32, C>;

@compute @workgroup_size(TY * TX)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) t: u32) {
  // @registers s yv zv fy fz sy sz
  let pair = group.y;
  let ty = t / TX;
  let tx = t % TX;
  let tilesJ = (p.columns + 4u * J4 - 1u) / (4u * J4);
  let m0 = 4u * M4 * (group.z / tilesJ);
  let j0 = 4u * J4 * (group.z % tilesJ);
  let first = group.x * p.segment;
  let last = min(first + p.segment, p.length);
  let base = (pair * (p.segments + 1u) + group.x) * p.slot;
  var s: array<vec4f, SM * 4u * RJ>;
  var zSum = vec4f();
  var uSum = vec4f();
  var count = 0.0;
  let step = select(p.heads, 0u - p.heads, p.reverse == 1u);   // to the next row of this head; wraps
  let scaleY = factors[p.fy.x];
  let scaleZ = factors[p.fz.x];

  // Loads run one chunk ahead.
  // @block fetch
  {
    let rows = min(C, last - fetchAt);
    let row0 = rowOf(1u, pair, fetchAt);
    // @unroll
    for (var l = 0u; l < LY; l++) {
      let i = t / M4 + l * (NT / M4);
      let f = m0 + 4u * (t % M4);
      let inside = i < rows && f < p.features;
      let row = row0 + select(0u, i * step, inside);
      fy[l] = yFour(row * p.features + select(0u, f, inside), p.features - f);
      if ((PLANES & 4u) != 0u) { sy[l] = factors[p.fy.y + row]; }
    }
    // @unroll
    for (var l = 0u; l < LZ; l++) {
      let i = t / J4 + l * (NT / J4);
      let f = j0 + 4u * (t % J4);
      let inside = i < rows && f < p.columns;
      let row = row0 + select(0u, i * step, inside);
      fz[l] = zFour(row * p.columns + select(0u, f, inside), p.columns - f);
      if ((PLANES & 16u) != 0u) { sz[l] = factors[p.fz.y + row]; }
    }
    if (t < rows) {
      if ((PLANES & 8u) != 0u) { own.x = factors[p.fBeta.y + row0 + t * step]; }
      if ((PLANES & 32u) != 0u) { own.y = factors[p.fOmega.y + row0 + t * step]; }
    }
  }
  // @end
  var fy: array<vec4f, LY>;
  var fz: array<vec4f, LZ>;
  var sy: array<f32, LY>;
  var sz: array<f32, LZ>;
  var own = vec2f(1.0);   // β and ω of row t
  // @unroll
  for (var l = 0u; l < LY; l++) { sy[l] = 1.0; }
  // @unroll
  for (var l = 0u; l < LZ; l++) { sz[l] = 1.0; }
  let coefficients = vec2f(factors[p.fBeta.x], factors[p.fOmega.x]);
  var fetchAt = first;
  // @place fetch

  for (var at = first; at < last; at += C) {
    let rows = min(C, last - at);
    // The last chunk may still be read.
    workgroupBarrier();
    // @unroll
    for (var l = 0u; l < LY; l++) {
      let inside = t / M4 + l * (NT / M4) < rows && m0 + 4u * (t % M4) < p.features;
      yTile[t + l * NT] = select(vec4f(), (scaleY * sy[l]) * fy[l], inside);
    }
    // @unroll
    for (var l = 0u; l < LZ; l++) {
      let inside = t / J4 + l * (NT / J4) < rows && j0 + 4u * (t % J4) < p.columns;
      zTile[t + l * NT] = select(vec4f(), (scaleZ * sz[l]) * fz[l], inside);
    }
    if (t < C) {
      let found = select(vec2f(), coefficients * own, t < rows);
      beta[t] = found.x;
      omega[t] = found.y;
    }
    workgroupBarrier();
    fetchAt = at + C;
    if (fetchAt < last) {
      // @place fetch
    }
    if (ty < M4) {
      for (var n = 0u; n < C; n++) {
        var yv: array<vec4f, SM>;
        var zv: array<vec4f, RJ>;
        // @unroll
        for (var m = 0u; m < SM; m++) { yv[m] = yTile[n * M4 + ty + TY * m]; }
        // @unroll
        for (var j = 0u; j < RJ; j++) { zv[j] = zTile[n * J4 + tx + TX * j]; }
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
    if (j0 == 0u && t < YP * M4) {
      for (var n = t / M4; n < C; n += YP) { zSum += omega[n] * yTile[n * M4 + t % M4]; }
    }
    if (m0 == 0u && t < ZP * J4) {
      for (var n = t / J4; n < C; n += ZP) { uSum += beta[n] * zTile[n * J4 + t % J4]; }
    }
    if (group.z == 0u) {
      for (var n = t; n < C; n += NT) { count += beta[n] * omega[n]; }
    }
  }

  if (ty < M4) {
    // @unroll
    for (var m = 0u; m < SM; m++) {
      // @unroll
      for (var i = 0u; i < 4u; i++) {
        // @unroll
        for (var j = 0u; j < RJ; j++) {
          let row = m0 + 4u * (ty + TY * m) + i;
          let column = j0 + 4u * (tx + TX * j);
          for (var k = 0u; k < 4u; k++) {
            if (row < p.features && column + k < p.columns) {
              slots[base + p.atS + row * p.strideM + (column + k) * p.strideJ] = s[(m * 4u + i) * RJ + j][k];
            }
          }
        }
      }
    }
  }
  if (j0 == 0u) {
    parts[t] = zSum;
    workgroupBarrier();
    if (t < M4) {
      var sum = vec4f();
      for (var i = 0u; i < YP; i++) { sum += parts[i * M4 + t]; }
      for (var k = 0u; k < 4u; k++) {
        let row = m0 + 4u * t + k;
        if (row < p.features) { slots[base + p.atZ + row * p.strideM] = sum[k]; }
      }
    }
    workgroupBarrier();
  }
  if (m0 == 0u) {
    parts[t] = uSum;
    workgroupBarrier();
    if (t < J4) {
      var sum = vec4f();
      for (var i = 0u; i < ZP; i++) { sum += parts[i * J4 + t]; }
      for (var k = 0u; k < 4u; k++) {
        let column = j0 + 4u * t + k;
        if (column < p.columns) { slots[base + p.atU + column * p.strideJ] = sum[k]; }
      }
    }
    workgroupBarrier();
  }
  if (group.z == 0u) {
    parts[t] = vec4f(count);
    workgroupBarrier();
    if (t == 0u) {
      var sum = 0.0;
      for (var i = 0u; i < NT; i++) { sum += parts[i].x; }
      slots[base + p.atC] = sum;
    }
  }
}
