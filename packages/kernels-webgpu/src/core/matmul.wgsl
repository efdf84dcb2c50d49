// C = finish(op(A) op(B)): BM x BN tiles of C, TY x TX invocations, each RI rows (by fours, TY apart) by RJ vec4 columns (TX apart).
// TA: A is stored [K, M]; TB: B is stored [N, K]. z of the grid: batch · splits of K; each split writes its own C, to be summed after.
// ADD: C is added to. STATS: instead of C, each tile of columns writes (max, Σ exp(c - max)) of its rows, [tiles, M] vec2.
// Declared before this text: product.wgsl, `c` with the ways to store it, and the epilogue fn finish(row, column, v) -> vec4f, with bindings from 4 on.
const NT = TY * TX;
const RI = BM / TY;
const R4 = RI / 4u;
const RJ = BN / (4u * TX);
const BK4 = BK / 4u;
const BM4 = BM / 4u;
const BN4 = BN / 4u;
// What an invocation fetches of A and B: vec4s, or, of what is stored the other way, blocks of 4 x 4 to turn in registers.
const LA = BK * BM4 / NT;
const LB = BK * BN4 / NT;
const TLA = (BM4 * BK4 + NT - 1u) / NT;
const TLB = (BN4 * BK4 + NT - 1u) / NT;
const FA = max(LA, 4u * TLA);
const FB = max(LB, 4u * TLB);
// A warp of 32 is 4 x 8 where there are that many columns.
const WX = min(TX, 8u);
const WY = 32u / WX;

// By k; rows one vec4 apart against bank conflicts. All that is read in the inner loop stands at constant places but for where an
// invocation begins.
var<workgroup> aTile: array<array<vec4f, BM4 + 1u>, BK>;
var<workgroup> bTile: array<array<vec4f, BN4 + 1u>, BK>;

// Four numbers of row `row` from column 4 q on, of a stored matrix [rows, width] at `base`; past its end, of the last row or column. There
// are no conditions: a load under one leaves a copy of what it loaded behind, and the copy waits for the load where it stands.
fn aLoad(base: u32, rows: u32, width: u32, row: u32, q: u32) -> vec4f {
  let column = min(4u * q, (width - 1u) / 4u * 4u);
  return aFour(base + min(row, rows - 1u) * width + column, width - column);
}
fn bLoad(base: u32, rows: u32, width: u32, row: u32, q: u32) -> vec4f {
  let column = min(4u * q, (width - 1u) / 4u * 4u);
  return bFour(base + min(row, rows - 1u) * width + column, width - column);
}

// @block fetch
  if (TA == 1u) {
    // @unroll
    for (var l = 0u; l < LA; l++) {
      let e = t + l * NT;
      fa[l] = aLoad(aBase, p.k, p.m, k0 + e / BM4, m0 / 4u + e % BM4);
    }
  } else {
    // @unroll
    for (var l = 0u; l < TLA; l++) {
      let e = t + l * NT;
      let r = e / (4u * BK4) * 4u + e % 4u;
      // @unroll
      for (var i = 0u; i < 4u; i++) { fa[4u * l + i] = aLoad(aBase, p.m, p.k, m0 + 4u * r + i, k0 / 4u + e / 4u % BK4); }
    }
  }
  if (TB == 0u) {
    // @unroll
    for (var l = 0u; l < LB; l++) {
      let e = t + l * NT;
      fb[l] = bLoad(bBase, p.k, p.n, k0 + e / BN4, n0 / 4u + e % BN4);
    }
  } else {
    // @unroll
    for (var l = 0u; l < TLB; l++) {
      let e = t + l * NT;
      let r = e / (4u * BK4) * 4u + e % 4u;
      // @unroll
      for (var i = 0u; i < 4u; i++) { fb[4u * l + i] = bLoad(bBase, p.n, p.k, n0 + 4u * r + i, k0 / 4u + e / 4u % BK4); }
    }
  }
// @end

@compute @workgroup_size(TY * TX)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) t: u32) {
  // @registers acc va vb fa fb share highest
  let tx = t / 32u % (TX / WX) * WX + t % WX;
  let ty = t / (32u * (TX / WX)) * WY + t % 32u / WX;
  // @place product
  var acc: array<vec4f, RI * RJ>;
  var fa: array<vec4f, FA>;
  var fb: array<vec4f, FB>;

  var k0 = split * p.kPerSplit;
  // @place fetch
  while (k0 < kEnd) {
    let left = kEnd - k0;   // terms past these are zero
    workgroupBarrier();
    if (TA == 1u) {
      // @unroll
      for (var l = 0u; l < LA; l++) {
        let e = t + l * NT;
        aTile[e / BM4][e % BM4] = select(vec4f(), fa[l], e / BM4 < left);
      }
    } else {
      // @unroll
      for (var l = 0u; l < TLA; l++) {
        let e = t + l * NT;
        let r = e / (4u * BK4) * 4u + e % 4u;
        let k = e / 4u % BK4 * 4u;
        if (BM4 * BK4 % NT == 0u || e < BM4 * BK4) {
          // @unroll
          for (var i = 0u; i < 4u; i++) {
            aTile[k + i][r] = select(vec4f(), vec4f(fa[4u * l][i], fa[4u * l + 1u][i], fa[4u * l + 2u][i], fa[4u * l + 3u][i]), k + i < left);
          }
        }
      }
    }
    if (TB == 0u) {
      // @unroll
      for (var l = 0u; l < LB; l++) {
        let e = t + l * NT;
        bTile[e / BN4][e % BN4] = select(vec4f(), fb[l], e / BN4 < left);
      }
    } else {
      // @unroll
      for (var l = 0u; l < TLB; l++) {
        let e = t + l * NT;
        let r = e / (4u * BK4) * 4u + e % 4u;
        let k = e / 4u % BK4 * 4u;
        if (BN4 * BK4 % NT == 0u || e < BN4 * BK4) {
          // @unroll
          for (var i = 0u; i < 4u; i++) {
            bTile[k + i][r] = select(vec4f(), vec4f(fb[4u * l][i], fb[4u * l + 1u][i], fb[4u * l + 2u][i], fb[4u * l + 3u][i]), k + i < left);
          }
        }
      }
    }
    workgroupBarrier();
    // The next panel is under way while this one is used.
    k0 += BK;
    // @place fetch
    // @unroll
    for (var k = 0u; k < BK; k++) {
      var va: array<vec4f, R4>;
      var vb: array<vec4f, RJ>;
      // @unroll
      for (var r = 0u; r < R4; r++) { va[r] = aTile[k][ty + TY * r]; }
      // @unroll
      for (var j = 0u; j < RJ; j++) { vb[j] = bTile[k][tx + TX * j]; }
      // @unroll
      for (var r = 0u; r < RI; r++) {
        // @unroll
        for (var j = 0u; j < RJ; j++) { acc[r * RJ + j] = fma(vec4f(va[r / 4u][r % 4u]), vb[j], acc[r * RJ + j]); }
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
      aTile[tx][q * TY + ty] = vec4f(share[4u * q], share[4u * q + 1u], share[4u * q + 2u], share[4u * q + 3u]);
    }
    workgroupBarrier();
    var highest: array<f32, RI>;
    // @unroll
    for (var q = 0u; q < R4; q++) {
      var four = aTile[0][q * TY + ty];
      for (var other = 1u; other < TX; other++) { four = max(four, aTile[other][q * TY + ty]); }
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
      aTile[tx][q * TY + ty] = vec4f(share[4u * q], share[4u * q + 1u], share[4u * q + 2u], share[4u * q + 3u]);
    }
    workgroupBarrier();
    // @unroll
    for (var q = 0u; q < R4; q++) {
      if (tx == 0u) {
        var four = aTile[0][q * TY + ty];
        for (var other = 1u; other < TX; other++) { four += aTile[other][q * TY + ty]; }
        // @unroll
        for (var i = 0u; i < 4u; i++) {
          let row = m0 + 4u * (ty + TY * q) + i;
          if (row < p.m) { statsStore(group.x * p.m + row, vec2f(highest[4u * q + i], four[i])); }
        }
      }
    }
    return;
  }
  // @unroll
  for (var r = 0u; r < RI; r++) {
    let row = m0 + 4u * (ty + TY * (r / 4u)) + r % 4u;
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
