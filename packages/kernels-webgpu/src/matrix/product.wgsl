// core/matmul.wgsl on matrix units: the same products, parameters, buffers and declarations; see there. A workgroup has a tile of 16 MI WM
// rows by 16 NI WN columns, each of its WM x WN subgroups MI x NI tiles of 16 x 16 sums. Panels of BK features are cut into halves: PARTS 2,
// a number is the sum of two, and a product three (low by high, high by low, high by high). A and B are scaled by powers of two, so that the
// largest number of each comes to 2^14: halves neither over- nor underflow, and what both parts miss of a number is 2^-21 of it, or 2^-38 of
// the largest where it is far smaller. Units cut sums off where float32 rounds: after CHAIN features a sum goes to C, and a new one begins.
//
// Workgroup memory is in blocks, one for each row (or column) of subgroups, and a subgroup loads its tiles at constant places of its block: a
// place that WGSL's compiler does not know to be inside is checked first, which took as long again as everything else.
struct Params {
  m: u32, n: u32, k: u32, batch: u32, splits: u32, kPerSplit: u32,
  aStart: u32, bStart: u32, column0: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(2) var<storage, read> a: array<Unit>;
@group(0) @binding(3) var<storage, read> b: array<Unit>;

const NT = 32u * WM * WN;
const BM = 16u * MI * WM;
const BN = 16u * NI * WN;
// Of a block: rows as they are stored, eights of a row, from row to row (odd, against bank conflicts); eights of an invocation.
const RA = TA * BK + (1u - TA) * 16u * MI;
const EA = TA * 2u * MI + (1u - TA) * BK / 8u;
const SA = EA + 1u - EA % 2u;
const LA = WM * RA * EA / NT;
const RB = TB * 16u * NI + (1u - TB) * BK;
const EB = TB * BK / 8u + (1u - TB) * 2u * NI;
const SB = EB + 1u - EB % 2u;
const LB = WN * RB * EB / NT;
const LOW_A = RA * SA;         // where low parts begin
const LOW_B = RB * SB;
// Sums of 16 rows of a subgroup: fours of a row, from row to row, and an invocation's.
const ROW4 = 4u * NI;
const FLOATS = ROW4 + 1u;
const ROWS = 16u * ROW4 / 32u;
var<workgroup> aTile: array<array<vec4u, PARTS * LOW_A>, WM>;
var<workgroup> bTile: array<array<vec4u, PARTS * LOW_B>, WN>;

// See core/matmul.wgsl: without conditions, past the end the last row or column.
fn aLoad(base: u32, rows: u32, width: u32, row: u32, column: u32) -> vec4f {
  return aFour(base + min(row, rows - 1u) * width + min(column, width - 4u), 4u);
}
fn bLoad(base: u32, rows: u32, width: u32, row: u32, column: u32) -> vec4f {
  return bFour(base + min(row, rows - 1u) * width + min(column, width - 4u), 4u);
}

fn exponentOf(top: u32) -> i32 { return clamp(141 - i32(top >> 23u), -100, 100); }
fn power(exponent: i32) -> f32 { return bitcast<f32>(u32(exponent + 127) << 23u); }

// What a half holds of a number. By bits, because some compilers take unpack(pack(x)) for x.
fn leading(v: vec4f) -> vec4f {
  if (PARTS == 1u) { return v; }
  return bitcast<vec4f>(bitcast<vec4u>(v) & vec4u(0xffffe000u));
}
fn halves(v: vec4f, w: vec4f) -> vec4u {
  return vec4u(pack2x16float(v.xy), pack2x16float(v.zw), pack2x16float(w.xy), pack2x16float(w.zw));
}

// Sums of a subgroup, in its own block.
fn sumFour(subgroup: u32, at: u32) -> vec4f {
  if (subgroup < WM) { return bitcast<vec4f>(aTile[subgroup][at]); }
  return bitcast<vec4f>(bTile[subgroup - WM][at]);
}
fn putFour(subgroup: u32, at: u32, v: vec4f) {
  if (subgroup < WM) { aTile[subgroup][at] = bitcast<vec4u>(v); } else { bTile[subgroup - WM][at] = bitcast<vec4u>(v); }
}

// @block fetch
  // @unroll
  for (var l = 0u; l < LA; l++) {
    let e = t + l * NT;
    if (TA == 1u) {
      let column = m0 + 8u * (e / EA % WM * EA + e % EA);
      fa[2u * l] = aLoad(aBase, p.k, p.m, k0 + e / (EA * WM), column);
      fa[2u * l + 1u] = aLoad(aBase, p.k, p.m, k0 + e / (EA * WM), column + 4u);
    } else {
      fa[2u * l] = aLoad(aBase, p.m, p.k, m0 + e / EA, k0 + 8u * (e % EA));
      fa[2u * l + 1u] = aLoad(aBase, p.m, p.k, m0 + e / EA, k0 + 8u * (e % EA) + 4u);
    }
  }
  // @unroll
  for (var l = 0u; l < LB; l++) {
    let e = t + l * NT;
    if (TB == 1u) {
      fb[2u * l] = bLoad(bBase, p.n, p.k, n0 + e / EB, k0 + 8u * (e % EB));
      fb[2u * l + 1u] = bLoad(bBase, p.n, p.k, n0 + e / EB, k0 + 8u * (e % EB) + 4u);
    } else {
      let column = n0 + 8u * (e / EB % WN * EB + e % EB);
      fb[2u * l] = bLoad(bBase, p.k, p.n, k0 + e / (EB * WN), column);
      fb[2u * l + 1u] = bLoad(bBase, p.k, p.n, k0 + e / (EB * WN), column + 4u);
    }
  }
// @end

@compute @workgroup_size(NT)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) t: u32, @builtin(subgroup_id) subgroup: u32) {
  // @registers sums fa fb left found
  let lane = t % 32u;
  let wm = subgroup / WN;
  let wn = subgroup % WN;
  let split = group.z / p.batch;
  let batch = group.z % p.batch;
  let m0 = group.y * BM;
  let n0 = group.x * BN;
  let kEnd = min(p.k, (split + 1u) * p.kPerSplit);
  let aBase = p.aStart + batch * p.m * p.k;
  let bBase = p.bStart + batch * p.k * p.n;
  let cBase = (split * p.batch + batch) * p.m * p.n;
  var sums: array<Sum, MI * NI>;
  var fa: array<vec4f, 2u * LA>;
  var fb: array<vec4f, 2u * LB>;
  var k0 = split * p.kPerSplit;
  let begin = k0;
  // @place fetch
  // The largest numbers: 256 shares of A, then of B.
  if (t < 128u) {
    let four = tops[t];
    aTile[0][t / 4u][t % 4u] = max(max(four.x, four.y), max(four.z, four.w));
  }
  workgroupBarrier();
  var topA = vec4u();
  var topB = vec4u();
  for (var i = 0u; i < 16u; i++) {
    topA = max(topA, aTile[0][i]);
    topB = max(topB, aTile[0][16u + i]);
  }
  let ofA = exponentOf(max(max(topA.x, topA.y), max(topA.z, topA.w)));
  let ofB = exponentOf(max(max(topB.x, topB.y), max(topB.z, topB.w)));
  let scaleA = power(ofA);
  let scaleB = power(ofB);

  while (k0 < kEnd) {
    let first = k0 == begin;
    let chainEnd = min(kEnd, k0 + CHAIN);
    // @unroll
    for (var i = 0u; i < MI * NI; i++) { sums[i] = Sum(); }
    while (k0 < chainEnd) {
      let some = kEnd - k0;   // terms past these are zero
      workgroupBarrier();
      // @unroll
      for (var l = 0u; l < LA; l++) {
        let e = t + l * NT;
        let k = e % EA * 8u;
        let row = e / (EA * WM);
        let v = scaleA * select(vec4f(), fa[2u * l], select(k, row, TA == 1u) < some);
        let w = scaleA * select(vec4f(), fa[2u * l + 1u], select(k + 4u, row, TA == 1u) < some);
        let block = select(e / (EA * RA), e / EA % WM, TA == 1u);
        let at = select(e / EA % RA, row, TA == 1u) * SA + e % EA;
        aTile[block][at] = halves(leading(v), leading(w));
        if (PARTS == 2u) { aTile[block][LOW_A + at] = halves(v - leading(v), w - leading(w)); }
      }
      // @unroll
      for (var l = 0u; l < LB; l++) {
        let e = t + l * NT;
        let k = e % EB * 8u;
        let row = e / (EB * WN);
        let v = scaleB * select(vec4f(), fb[2u * l], select(row, k, TB == 1u) < some);
        let w = scaleB * select(vec4f(), fb[2u * l + 1u], select(row, k + 4u, TB == 1u) < some);
        let block = select(e / EB % WN, e / (EB * RB), TB == 1u);
        let at = select(row, e / EB % RB, TB == 1u) * SB + e % EB;
        bTile[block][at] = halves(leading(v), leading(w));
        if (PARTS == 2u) { bTile[block][LOW_B + at] = halves(v - leading(v), w - leading(w)); }
      }
      workgroupBarrier();
      // The next panel is under way while this one is used.
      k0 += BK;
      // @place fetch
      // @unroll
      for (var k = 0u; k < BK / 16u; k++) {
        var left: array<Left, MI * PARTS>;
        // @unroll
        for (var i = 0u; i < MI; i++) {
          // @unroll
          for (var part = 0u; part < PARTS; part++) {
            left[part * MI + i] = leftAt(wm, part * LOW_A + TA * (16u * k * SA + 2u * i) + (1u - TA) * (16u * i * SA + 2u * k));
          }
        }
        // @unroll
        for (var j = 0u; j < NI; j++) {
          let high = rightAt(wn, TB * (16u * j * SB + 2u * k) + (1u - TB) * (16u * k * SB + 2u * j));
          if (PARTS == 2u) {
            let low = rightAt(wn, LOW_B + TB * (16u * j * SB + 2u * k) + (1u - TB) * (16u * k * SB + 2u * j));
            // @unroll
            for (var i = 0u; i < MI; i++) { sums[i * NI + j] = multiply(left[i], low, sums[i * NI + j]); }
            // @unroll
            for (var i = 0u; i < MI; i++) { sums[i * NI + j] = multiply(left[(PARTS - 1u) * MI + i], high, sums[i * NI + j]); }
          }
          // @unroll
          for (var i = 0u; i < MI; i++) { sums[i * NI + j] = multiply(left[i], high, sums[i * NI + j]); }
        }
      }
    }

    let whole = k0 >= kEnd;
    let unscale = power(-ofA);
    // Sums go to where rows can be read, 16 rows of each subgroup at a time.
    // @unroll
    for (var i = 0u; i < MI; i++) {
      workgroupBarrier();
      // @unroll
      for (var j = 0u; j < NI; j++) { storeSum(subgroup, 4u * j, sums[i * NI + j]); }
      workgroupBarrier();
      var found: array<vec2f, ROWS>;
      // @unroll
      for (var l = 0u; l < ROWS; l++) {
        let r = lane / ROW4 + 32u / ROW4 * l;
        let row = m0 + 16u * (MI * wm + i) + r;
        let column = n0 + 16u * NI * wn + 4u * (lane % ROW4);
        var v = power(-ofB) * (unscale * sumFour(subgroup, r * FLOATS + lane % ROW4));
        let at = cBase + row * p.n + column;
        let inside = row < p.m && column < p.n;
        if (inside && (ADD == 1u || !first)) { v += cFour(at, 4u); }
        if (STATS == 1u) {
          let most = max(max(v.x, v.y), max(v.z, v.w));
          found[l] = select(vec2f(-1e30, 0.0), vec2f(most, dot(exp(v - most), vec4f(1.0))), inside);
        } else if (inside) {
          if (whole) { v = finish(row, p.column0 + column, v); }
          cStore(at, 4u, v);
        }
      }
      if (STATS == 1u) {
        // A row's share of each invocation, then the row's.
        workgroupBarrier();
        // @unroll
        for (var l = 0u; l < ROWS; l++) { putFour(subgroup, 32u * l + lane, vec4f(found[l], 0.0, 0.0)); }
        workgroupBarrier();
        let row = m0 + 16u * (MI * wm + i) + lane;
        if (lane < 16u && row < p.m) {
          var all = sumFour(subgroup, ROW4 * lane).xy;
          for (var e = 1u; e < ROW4; e++) {
            let other = sumFour(subgroup, ROW4 * lane + e).xy;
            let most = max(all.x, other.x);
            all = vec2f(most, all.y * exp(all.x - most) + other.y * exp(other.x - most));
          }
          statsStore((group.x * WN + wn) * p.m + row, all);
        }
      }
    }
  }
}
