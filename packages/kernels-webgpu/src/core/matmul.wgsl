// C = finish(op(A) op(B)): BM x BN tiles of C, TY x TX invocations, each RI rows (TY apart) by RJ vec4 columns (TX apart) in registers.
// TA: A is stored [K, M]; TB: B is stored [N, K]. z of the grid: batch · splits of K; each split writes its own C, to be summed after.
// ADD: C is added to. STATS: instead of C, each tile of columns writes (max, Σ exp(c - max)) of its rows, [tiles, M] vec2.
// Declared before this text: `c` with the ways to store it, and the epilogue fn finish(row, column, v) -> vec4f, with bindings from 4 on.
struct Params {
  m: u32, n: u32, k: u32, batch: u32, splits: u32, kPerSplit: u32,
  aStart: u32, bStart: u32,   // the first element of A and of B
  column0: u32,               // what `finish` calls column 0
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(2) var<storage, read> a: array<Unit>;
@group(0) @binding(3) var<storage, read> b: array<Unit>;

const NT = TY * TX;
const RI = BM / TY;
const R4 = RI / 4u;
const RJ = BN / (4u * TX);
const BK4 = BK / 4u;
const BN4 = BN / 4u;
// Rows of the tiles are one vec4 apart against bank conflicts.
const AS = BK4 + 1u;
const BS = BN4 + 1u;
// What an invocation fetches of A and B: vec4s, or, of what is stored the other way, blocks of 4 x 4 to turn in registers.
const LA = (BM * BK4 + NT - 1u) / NT;
const LB = (BK * BN4 + NT - 1u) / NT;
const TLA = (BM / 4u * BK4 + NT - 1u) / NT;
const TLB = (BN4 * BK4 + NT - 1u) / NT;
// A warp of 32 is 4 x 8 where there are that many columns.
const WX = min(TX, 8u);
const WY = 32u / WX;

var<workgroup> aTile: array<vec4f, BM * AS>;
var<workgroup> bTile: array<vec4f, BK * BS>;

// Four numbers of row `row` from column 4 q on, of a stored matrix [rows, stride] at `base`; zeros from row `rows` and column `width` on.
fn aLoad(base: u32, rows: u32, width: u32, stride: u32, row: u32, q: u32) -> vec4f {
  if (row >= rows || 4u * q >= width) { return vec4f(); }
  return aFour(base + row * stride + 4u * q, width - 4u * q);
}
fn bLoad(base: u32, rows: u32, width: u32, stride: u32, row: u32, q: u32) -> vec4f {
  if (row >= rows || 4u * q >= width) { return vec4f(); }
  return bFour(base + row * stride + 4u * q, width - 4u * q);
}

// @block fetch
  if (TA == 0u) {
    // @unroll
    for (var l = 0u; l < LA; l++) {
      let e = t + l * NT;
      fa[l] = aLoad(aBase, p.m, kEnd, p.k, m0 + e / BK4, k0 / 4u + e % BK4);
    }
  } else {
    // @unroll
    for (var l = 0u; l < TLA; l++) {
      let e = t + l * NT;
      if (e < BM / 4u * BK4) {
        // @unroll
        for (var i = 0u; i < 4u; i++) {
          fa[4u * l + i] = aLoad(aBase, kEnd, p.m, p.m, k0 + 4u * (e % BK4) + i, m0 / 4u + e / BK4);
        }
      }
    }
  }
  if (TB == 0u) {
    // @unroll
    for (var l = 0u; l < LB; l++) {
      let e = t + l * NT;
      fb[l] = bLoad(bBase, kEnd, p.n, p.n, k0 + e / BN4, n0 / 4u + e % BN4);
    }
  } else {
    // @unroll
    for (var l = 0u; l < TLB; l++) {
      let e = t + l * NT;
      let r = e / (4u * BK4) * 4u + e % 4u;
      if (e < BN4 * BK4) {
        // @unroll
        for (var i = 0u; i < 4u; i++) {
          fb[4u * l + i] = bLoad(bBase, p.n, kEnd, p.k, n0 + 4u * r + i, k0 / 4u + e / 4u % BK4);
        }
      }
    }
  }
// @end

@compute @workgroup_size(TY * TX)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) t: u32) {
  // @registers acc w fa fb share highest
  let tx = t / 32u % (TX / WX) * WX + t % WX;
  let ty = t / (32u * (TX / WX)) * WY + t % 32u / WX;
  let split = group.z / p.batch;
  let batch = group.z % p.batch;
  let m0 = group.y * BM;
  let n0 = group.x * BN;
  let kEnd = min(p.k, (split + 1u) * p.kPerSplit);
  let aBase = p.aStart + batch * p.m * p.k;
  let bBase = p.bStart + batch * p.k * p.n;
  var acc: array<vec4f, RI * RJ>;
  var fa: array<vec4f, LA + 4u * TLA>;
  var fb: array<vec4f, LB + 4u * TLB>;

  var k0 = split * p.kPerSplit;
  // @place fetch
  while (k0 < kEnd) {
    workgroupBarrier();
    if (TA == 0u) {
      // @unroll
      for (var l = 0u; l < LA; l++) {
        let e = t + l * NT;
        if (e < BM * BK4) { aTile[(e / BK4) * AS + e % BK4] = fa[l]; }
      }
    } else {
      // @unroll
      for (var l = 0u; l < TLA; l++) {
        let e = t + l * NT;
        if (e < BM / 4u * BK4) {
          let at = (e / BK4) * 4u * AS + e % BK4;
          aTile[at] = vec4f(fa[4u * l].x, fa[4u * l + 1u].x, fa[4u * l + 2u].x, fa[4u * l + 3u].x);
          aTile[at + AS] = vec4f(fa[4u * l].y, fa[4u * l + 1u].y, fa[4u * l + 2u].y, fa[4u * l + 3u].y);
          aTile[at + 2u * AS] = vec4f(fa[4u * l].z, fa[4u * l + 1u].z, fa[4u * l + 2u].z, fa[4u * l + 3u].z);
          aTile[at + 3u * AS] = vec4f(fa[4u * l].w, fa[4u * l + 1u].w, fa[4u * l + 2u].w, fa[4u * l + 3u].w);
        }
      }
    }
    if (TB == 0u) {
      // @unroll
      for (var l = 0u; l < LB; l++) {
        let e = t + l * NT;
        if (e < BK * BN4) { bTile[(e / BN4) * BS + e % BN4] = fb[l]; }
      }
    } else {
      // @unroll
      for (var l = 0u; l < TLB; l++) {
        let e = t + l * NT;
        if (e < BN4 * BK4) {
          let at = 4u * (e / 4u % BK4) * BS + e / (4u * BK4) * 4u + e % 4u;
          bTile[at] = vec4f(fb[4u * l].x, fb[4u * l + 1u].x, fb[4u * l + 2u].x, fb[4u * l + 3u].x);
          bTile[at + BS] = vec4f(fb[4u * l].y, fb[4u * l + 1u].y, fb[4u * l + 2u].y, fb[4u * l + 3u].y);
          bTile[at + 2u * BS] = vec4f(fb[4u * l].z, fb[4u * l + 1u].z, fb[4u * l + 2u].z, fb[4u * l + 3u].z);
          bTile[at + 3u * BS] = vec4f(fb[4u * l].w, fb[4u * l + 1u].w, fb[4u * l + 2u].w, fb[4u * l + 3u].w);
        }
      }
    }
    workgroupBarrier();
    // The next panel is under way while this one is used.
    k0 += BK;
    // @place fetch
    // @unroll
    for (var q = 0u; q < BK4; q++) {
      // Four rows of B, then A's rows one after the other.
      var w: array<vec4f, 4u * RJ>;
      // @unroll
      for (var i = 0u; i < 4u; i++) {
        // @unroll
        for (var j = 0u; j < RJ; j++) { w[i * RJ + j] = bTile[(4u * q + i) * BS + tx + TX * j]; }
      }
      // @unroll
      for (var r = 0u; r < RI; r++) {
        let v = aTile[(ty + TY * r) * AS + q];
        // @unroll
        for (var i = 0u; i < 4u; i++) {
          // @unroll
          for (var j = 0u; j < RJ; j++) { acc[r * RJ + j] = fma(vec4f(v[i]), w[i * RJ + j], acc[r * RJ + j]); }
        }
      }
    }
  }

  if (STATS == 1u) {
    // The largest of each row, then the sum, over the TX invocations that share it: by way of A's tile, four rows at a time. Storing one
    // component may store its whole vector (Metal does), so no two invocations ever store parts of the same.
    var share: array<f32, RI>;
    // @unroll
    for (var r = 0u; r < RI; r++) {
      share[r] = -1e30;
      // @unroll
      for (var j = 0u; j < RJ; j++) {
        // @unroll
        for (var i = 0u; i < 4u; i++) {
          if (n0 + 4u * (tx + TX * j) + i < p.n) { share[r] = max(share[r], acc[r * RJ + j][i]); }
        }
      }
    }
    workgroupBarrier();
    // @unroll
    for (var q = 0u; q < R4; q++) {
      aTile[(q * TY + ty) * TX + tx] = vec4f(share[4u * q], share[4u * q + 1u], share[4u * q + 2u], share[4u * q + 3u]);
    }
    workgroupBarrier();
    var highest: array<f32, RI>;
    // @unroll
    for (var q = 0u; q < R4; q++) {
      var four = aTile[(q * TY + ty) * TX];
      for (var other = 1u; other < TX; other++) { four = max(four, aTile[(q * TY + ty) * TX + other]); }
      // @unroll
      for (var i = 0u; i < 4u; i++) { highest[4u * q + i] = four[i]; }
    }
    // @unroll
    for (var r = 0u; r < RI; r++) {
      share[r] = 0.0;
      // @unroll
      for (var j = 0u; j < RJ; j++) {
        // @unroll
        for (var i = 0u; i < 4u; i++) {
          if (n0 + 4u * (tx + TX * j) + i < p.n) { share[r] += exp(acc[r * RJ + j][i] - highest[r]); }
        }
      }
    }
    workgroupBarrier();
    // @unroll
    for (var q = 0u; q < R4; q++) {
      aTile[(q * TY + ty) * TX + tx] = vec4f(share[4u * q], share[4u * q + 1u], share[4u * q + 2u], share[4u * q + 3u]);
    }
    workgroupBarrier();
    // @unroll
    for (var q = 0u; q < R4; q++) {
      if (tx == 0u) {
        var four = aTile[(q * TY + ty) * TX];
        for (var other = 1u; other < TX; other++) { four += aTile[(q * TY + ty) * TX + other]; }
        // @unroll
        for (var i = 0u; i < 4u; i++) {
          let row = m0 + ty + TY * (4u * q + i);
          if (row < p.m) { statsStore(group.x * p.m + row, vec2f(highest[4u * q + i], four[i])); }
        }
      }
    }
    return;
  }
  let cBase = (split * p.batch + batch) * p.m * p.n;
  // @unroll
  for (var r = 0u; r < RI; r++) {
    let row = m0 + ty + TY * r;
    // @unroll
    for (var j = 0u; j < RJ; j++) {
      let column = n0 + 4u * (tx + TX * j);
      if (row < p.m && column < p.n) {
        let at = cBase + row * p.n + column;
        var v = finish(row, p.column0 + column, acc[r * RJ + j]);
        if (ADD == 1u) { v += cFour(at, p.n - column); }
        cStore(at, p.n - column, v);
      }
    }
  }
}
