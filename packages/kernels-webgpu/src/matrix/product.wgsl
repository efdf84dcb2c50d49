// core/matmul.wgsl on matrix units: the same products, parameters, buffers and declarations; see there. A workgroup has a tile of 16 MI WM
// rows by 16 NI WN columns, each of its WM x WN subgroups MI x NI tiles of 16 x 16 sums. Panels of BK features are cut into halves: PARTS 2,
// a number is the sum of two, and a product three (low by high, high by low, high by high). A and B are scaled by powers of two, so that the
// largest number of each comes to 2^14: halves neither over- nor underflow, and what both parts miss of a number is 2^-21 of it, or 2^-38 of
// the largest where it is far smaller. Units cut sums off where float32 rounds: after CHAIN features a sum goes to C, and a new one begins.
//
// Workgroup memory is in blocks, one for each row (or column) of subgroups, and a subgroup loads its tiles at constant places of its block: a
// place that WGSL's compiler does not know to be inside is checked first, which took as long again as everything else.
const NT = 32u * WM * WN;
const BM = 16u * MI * WM;
const BN = 16u * NI * WN;
// Of a block: rows as they are stored, fours of a row, from row to row in fours of halves (an odd number of eights, against bank conflicts);
// and the fours that an invocation loads, neighbours next to each other.
const RA = TA * BK + (1u - TA) * 16u * MI;
const QA = TA * 4u * MI + (1u - TA) * BK / 4u;
const SA = QA + 2u - 2u * (QA / 2u % 2u);
const LA = WM * RA * QA / NT;
const RB = TB * 16u * NI + (1u - TB) * BK;
const QB = TB * BK / 4u + (1u - TB) * 4u * NI;
const SB = QB + 2u - 2u * (QB / 2u % 2u);
const LB = WN * RB * QB / NT;
const LOW_A = RA * SA;         // where low parts begin
const LOW_B = RB * SB;
// Sums of 16 rows of a subgroup: fours of a row, from row to row in twos, and an invocation's fours.
const ROW4 = 4u * NI;
const FLOATS = 2u * ROW4 + 2u;
const ROWS = 16u * ROW4 / 32u;
var<workgroup> aTile: array<array<vec2u, PARTS * LOW_A>, WM>;
var<workgroup> bTile: array<array<vec2u, PARTS * LOW_B>, WN>;

// See core/matmul.wgsl: without conditions, past the end the last row or column.
fn aLoad(base: u32, rows: u32, width: u32, row: u32, column: u32) -> vec4f {
  return aFour(base + min(row, rows - 1u) * width + min(column, width - 4u), 4u);
}
fn bLoad(base: u32, rows: u32, width: u32, row: u32, column: u32) -> vec4f {
  return bFour(base + min(row, rows - 1u) * width + min(column, width - 4u), 4u);
}

fn topOf(shares: vec4u) -> u32 { return max(max(shares.x, shares.y), max(shares.z, shares.w)); }
fn exponentOf(top: u32) -> i32 { return min(141 - i32(top >> 23u), 126); }
fn power(exponent: i32) -> f32 { return bitcast<f32>(u32(exponent + 127) << 23u); }

// What a half holds of a number. By bits, because some compilers take unpack(pack(x)) for x.
fn leading(v: vec4f) -> vec4f {
  if (PARTS == 1u) { return v; }
  return bitcast<vec4f>(bitcast<vec4u>(v) & vec4u(0xffffe000u));
}
fn halves(v: vec4f) -> vec2u { return vec2u(pack2x16float(v.xy), pack2x16float(v.zw)); }

// Two numbers of a subgroup, in its own block.
fn twoAt(subgroup: u32, at: u32) -> vec2f {
  if (subgroup < WM) { return bitcast<vec2f>(aTile[subgroup][at]); }
  return bitcast<vec2f>(bTile[subgroup - WM][at]);
}
fn putTwo(subgroup: u32, at: u32, v: vec2f) {
  if (subgroup < WM) { aTile[subgroup][at] = bitcast<vec2u>(v); } else { bTile[subgroup - WM][at] = bitcast<vec2u>(v); }
}

// @block fetch
  // @unroll
  for (var l = 0u; l < LA; l++) {
    let e = t + l * NT;
    if (TA == 1u) {
      fa[l] = aLoad(aBase, p.k, p.m, k0 + e / (QA * WM), m0 + 4u * (e % (QA * WM)));
    } else {
      fa[l] = aLoad(aBase, p.m, p.k, m0 + e / QA, k0 + 4u * (e % QA));
    }
  }
  // @unroll
  for (var l = 0u; l < LB; l++) {
    let e = t + l * NT;
    if (TB == 1u) {
      fb[l] = bLoad(bBase, p.n, p.k, n0 + e / QB, k0 + 4u * (e % QB));
    } else {
      fb[l] = bLoad(bBase, p.k, p.n, k0 + e / (QB * WN), n0 + 4u * (e % (QB * WN)));
    }
  }
// @end

@compute @workgroup_size(NT)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) t: u32, @builtin(subgroup_id) subgroup: u32) {
  // @registers sums fa fb left found
  let lane = t % 32u;
  let wm = subgroup / WN;
  let wn = subgroup % WN;
  // @place product
  var sums: array<Sum, MI * NI>;
  var fa: array<vec4f, LA>;
  var fb: array<vec4f, LB>;
  var k0 = split * p.kPerSplit;
  let begin = k0;
  // @place fetch
  // The largest numbers: 256 shares of A, then of B.
  if (t < 64u) { aTile[0][t] = vec2u(topOf(tops[2u * t]), topOf(tops[2u * t + 1u])); }
  workgroupBarrier();
  var topA = vec2u();
  var topB = vec2u();
  for (var i = 0u; i < 32u; i++) {
    topA = max(topA, aTile[0][i]);
    topB = max(topB, aTile[0][32u + i]);
  }
  let ofA = exponentOf(max(topA.x, topA.y));
  let ofB = exponentOf(max(topB.x, topB.y));
  let scaleA = power(ofA);
  let scaleB = power(ofB);
  // The smaller first: what is between does not overflow.
  let smaller = power(-max(ofA, ofB));
  let larger = power(-min(ofA, ofB));

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
        let k = select(4u * (e % QA), e / (QA * WM), TA == 1u);
        let v = scaleA * select(vec4f(), fa[l], k < some);
        let block = select(e / (QA * RA), e / QA % WM, TA == 1u);
        let at = select(e / QA % RA, e / (QA * WM), TA == 1u) * SA + e % QA;
        aTile[block][at] = halves(leading(v));
        if (PARTS == 2u) { aTile[block][LOW_A + at] = halves(v - leading(v)); }
      }
      // @unroll
      for (var l = 0u; l < LB; l++) {
        let e = t + l * NT;
        let k = select(e / (QB * WN), 4u * (e % QB), TB == 1u);
        let v = scaleB * select(vec4f(), fb[l], k < some);
        let block = select(e / QB % WN, e / (QB * RB), TB == 1u);
        let at = select(e / (QB * WN), e / QB % RB, TB == 1u) * SB + e % QB;
        bTile[block][at] = halves(leading(v));
        if (PARTS == 2u) { bTile[block][LOW_B + at] = halves(v - leading(v)); }
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
            left[part * MI + i] = leftAt(wm, part * LOW_A + TA * (16u * k * SA + 4u * i) + (1u - TA) * (16u * i * SA + 4u * k));
          }
        }
        // @unroll
        for (var j = 0u; j < NI; j++) {
          let high = rightAt(wn, TB * (16u * j * SB + 4u * k) + (1u - TB) * (16u * k * SB + 4u * j));
          if (PARTS == 2u) {
            let low = rightAt(wn, LOW_B + TB * (16u * j * SB + 4u * k) + (1u - TB) * (16u * k * SB + 4u * j));
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
    // Sums go to where rows can be read, 16 rows of each subgroup at a time.
    // @unroll
    for (var i = 0u; i < MI; i++) {
      workgroupBarrier();
      // @unroll
      for (var j = 0u; j < NI; j++) { storeSum(subgroup, 8u * j, sums[i * NI + j]); }
      workgroupBarrier();
      var found: array<vec2f, ROWS>;
      // @unroll
      for (var l = 0u; l < ROWS; l++) {
        let r = lane / ROW4 + 32u / ROW4 * l;
        let row = m0 + 16u * (MI * wm + i) + r;
        let column = n0 + 16u * NI * wn + 4u * (lane % ROW4);
        let place = r * FLOATS + 2u * (lane % ROW4);
        var v = larger * (smaller * vec4f(twoAt(subgroup, place), twoAt(subgroup, place + 1u)));
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
        for (var l = 0u; l < ROWS; l++) { putTwo(subgroup, 32u * l + lane, found[l]); }
        workgroupBarrier();
        let row = m0 + 16u * (MI * wm + i) + lane;
        if (lane < 16u && row < p.m) {
          var all = twoAt(subgroup, ROW4 * lane);
          for (var e = 1u; e < ROW4; e++) {
            let other = twoAt(subgroup, ROW4 * lane + e);
            let most = max(all.x, other.x);
            all = vec2f(most, all.y * exp(all.x - most) + other.y * exp(other.x - most));
          }
          statsStore((group.x * WN + wn) * p.m + row, all);
        }
      }
    }
  }
}
