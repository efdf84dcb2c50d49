// C = op(A) op(B) (+ bias): BM x BN tiles of C, TY x TX invocations, each RI rows (TY apart) by RJ vec4 columns (TX apart) in registers.
// TA: A is stored [K, M]; TB: B is stored [N, K]. z of the grid: batch · splits of K; each split writes its own C, to be summed after.
struct Params { m: u32, n: u32, k: u32, batch: u32, splits: u32, kPerSplit: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> c: array<Unit>;
@group(0) @binding(2) var<storage, read> a: array<Unit>;
@group(0) @binding(3) var<storage, read> b: array<Unit>;
@group(0) @binding(4) var<storage, read> bias: array<f32>;

const NT = TY * TX;
const RI = BM / TY;
const RJ = BN / (4u * TX);
const BK4 = BK / 4u;
const BN4 = BN / 4u;
const AS = BK4 + 1u;
const LA = (BM * BK4 + NT - 1u) / NT;
const LB = (BK * BN4 + NT - 1u) / NT;

var<workgroup> aTile: array<vec4f, BM * AS>;
var<workgroup> bTile: array<vec4f, BK * BN4>;

// Four numbers of row `row` from column 4 q on, of a stored matrix [rows, stride] at `base`; zeros from row `rows` and column `width` on.
fn aLoad(base: u32, rows: u32, width: u32, stride: u32, row: u32, q: u32) -> vec4f {
  if (row >= rows || 4u * q >= width) { return vec4f(); }
  return aFour(base + row * stride + 4u * q, width - 4u * q);
}
fn bLoad(base: u32, rows: u32, width: u32, stride: u32, row: u32, q: u32) -> vec4f {
  if (row >= rows || 4u * q >= width) { return vec4f(); }
  return bFour(base + row * stride + 4u * q, width - 4u * q);
}

@compute @workgroup_size(TY * TX)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) t: u32) {
  // @registers acc x w fa fb
  let ty = t / TX;
  let tx = t % TX;
  let split = group.z / p.batch;
  let batch = group.z % p.batch;
  let m0 = group.y * BM;
  let n0 = group.x * BN;
  let kEnd = min(p.k, (split + 1u) * p.kPerSplit);
  let aBase = batch * p.m * p.k;
  let bBase = batch * p.k * p.n;
  var acc: array<vec4f, RI * RJ>;
  var fa: array<vec4f, LA * 4u>;
  var fb: array<vec4f, LB * 4u>;

  for (var k0 = split * p.kPerSplit; k0 < kEnd; k0 += BK) {
    // Fetch while others still compute, then take turns at the tiles.
    if (TA == 0u) {
      // @unroll
      for (var i = 0u; i < LA; i++) {
        let e = t + i * NT;
        fa[i] = aLoad(aBase, p.m, kEnd, p.k, m0 + e / BK4, k0 / 4u + e % BK4);
      }
    }
    if (TB == 0u) {
      // @unroll
      for (var i = 0u; i < LB; i++) {
        let e = t + i * NT;
        fb[i] = bLoad(bBase, kEnd, p.n, p.n, k0 + e / BN4, n0 / 4u + e % BN4);
      }
    }
    workgroupBarrier();
    if (TA == 0u) {
      // @unroll
      for (var i = 0u; i < LA; i++) {
        let e = t + i * NT;
        if (e < BM * BK4) { aTile[(e / BK4) * AS + e % BK4] = fa[i]; }
      }
    } else {
      // Blocks of 4 x 4, turned in registers.
      for (var e = t; e < BM * BK4 / 4u; e += NT) {
        let q = e % (BM / 4u);
        let r = e / (BM / 4u);
        let v0 = aLoad(aBase, kEnd, p.m, p.m, k0 + 4u * r, m0 / 4u + q);
        let v1 = aLoad(aBase, kEnd, p.m, p.m, k0 + 4u * r + 1u, m0 / 4u + q);
        let v2 = aLoad(aBase, kEnd, p.m, p.m, k0 + 4u * r + 2u, m0 / 4u + q);
        let v3 = aLoad(aBase, kEnd, p.m, p.m, k0 + 4u * r + 3u, m0 / 4u + q);
        aTile[(4u * q) * AS + r] = vec4f(v0.x, v1.x, v2.x, v3.x);
        aTile[(4u * q + 1u) * AS + r] = vec4f(v0.y, v1.y, v2.y, v3.y);
        aTile[(4u * q + 2u) * AS + r] = vec4f(v0.z, v1.z, v2.z, v3.z);
        aTile[(4u * q + 3u) * AS + r] = vec4f(v0.w, v1.w, v2.w, v3.w);
      }
    }
    if (TB == 0u) {
      // @unroll
      for (var i = 0u; i < LB; i++) {
        let e = t + i * NT;
        if (e < BK * BN4) { bTile[e] = fb[i]; }
      }
    } else {
      for (var e = t; e < BK4 * BN4; e += NT) {
        let q = e % BK4;
        let r = e / BK4;
        let v0 = bLoad(bBase, p.n, kEnd, p.k, n0 + 4u * r, k0 / 4u + q);
        let v1 = bLoad(bBase, p.n, kEnd, p.k, n0 + 4u * r + 1u, k0 / 4u + q);
        let v2 = bLoad(bBase, p.n, kEnd, p.k, n0 + 4u * r + 2u, k0 / 4u + q);
        let v3 = bLoad(bBase, p.n, kEnd, p.k, n0 + 4u * r + 3u, k0 / 4u + q);
        bTile[(4u * q) * BN4 + r] = vec4f(v0.x, v1.x, v2.x, v3.x);
        bTile[(4u * q + 1u) * BN4 + r] = vec4f(v0.y, v1.y, v2.y, v3.y);
        bTile[(4u * q + 2u) * BN4 + r] = vec4f(v0.z, v1.z, v2.z, v3.z);
        bTile[(4u * q + 3u) * BN4 + r] = vec4f(v0.w, v1.w, v2.w, v3.w);
      }
    }
    workgroupBarrier();
    for (var q = 0u; q < BK4; q++) {
      var x: array<vec4f, RI>;
      // @unroll
      for (var r = 0u; r < RI; r++) { x[r] = aTile[(ty + TY * r) * AS + q]; }
      // @unroll
      for (var i = 0u; i < 4u; i++) {
        var w: array<vec4f, RJ>;
        // @unroll
        for (var j = 0u; j < RJ; j++) { w[j] = bTile[(4u * q + i) * BN4 + tx + TX * j]; }
        // @unroll
        for (var r = 0u; r < RI; r++) {
          // @unroll
          for (var j = 0u; j < RJ; j++) { acc[r * RJ + j] = fma(vec4f(x[r][i]), w[j], acc[r * RJ + j]); }
        }
      }
    }
  }

  let cBase = (split * p.batch + batch) * p.m * p.n;
  // @unroll
  for (var r = 0u; r < RI; r++) {
    let row = m0 + ty + TY * r;
    // @unroll
    for (var j = 0u; j < RJ; j++) {
      let column = n0 + 4u * (tx + TX * j);
      if (row < p.m && column < p.n) {
        var v = acc[r * RJ + j];
        if (BIAS == 1u) {
          let last = p.n - 1u;
          v += vec4f(bias[column], bias[min(column + 1u, last)], bias[min(column + 2u, last)], bias[min(column + 3u, last)]);
        }
        cStore(cBase + row * p.n + column, p.n - column, v);
      }
    }
  }
}
