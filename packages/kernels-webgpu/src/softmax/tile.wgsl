// Softmax attention a block of rows at a time, in one pass over the columns (FlashAttention-2, Dao 2023). Rows are tokens that outputs
// belong to, columns the tokens that are summed over. For P = exp(scale q·k - logSum):
// MODE 0, forward:  rows q, columns k:  out = Σ P v and logSum, with a running maximum.
// MODE 1, dq:       rows q, columns k:  out = scale Σ P (dO·v - δ) k.
// MODE 2, dk:       rows k, columns q:  out = scale Σ P (v·dO - δ) q.
// MODE 3, dv:       rows k, columns q:  out = Σ P dO.
// TY x TX invocations; each has RI rows (TY apart) by RJ columns (TX apart) of the weights, and the same rows by CV fours of columns of
// the output, in registers. What they multiply comes through workgroup memory in panels 16 deep, first of x and y, then of weights and z;
// by k, rows and columns in the order of their invocations, four at a time. Loads run ahead and have no conditions (matmul.wgsl says why).
struct Params {
  rows: u32, columns: u32, heads: u32,
  width0: u32, width1: u32, outWidth: u32,   // of x0 and y0, of x1 and y1, of z and out
  causal: u32, prefix: u32, scale: f32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> out: array<Unit>;
@group(0) @binding(3) var<storage, read> delta: array<f32>;
@group(0) @binding(4) var<storage, read> x0: array<Unit>;
@group(0) @binding(5) var<storage, read> y0: array<Unit>;
@group(0) @binding(6) var<storage, read> x1: array<Unit>;
@group(0) @binding(7) var<storage, read> y1: array<Unit>;
@group(0) @binding(8) var<storage, read> z: array<Unit>;

const NT = TY * TX;
const BM = TY * RI;
const BN = TX * RJ;
// Fours of columns of the output, and an invocation's columns of a panel of weights.
const OW = TX * CV;
const JP = 16u / TX;
const R4 = RI / 4u;
const J4 = RJ / 4u;
// Blocks of 4 x 4 of x and of y that an invocation loads, to turn in registers, and its vec4s of z.
const BX = R4 * TY * 4u;
const BY = J4 * TX * 4u;
const LA = (BX + NT - 1u) / NT;
const LB = (BY + NT - 1u) / NT;
const LZ = 16u * OW / NT;
// Panels' rows are one vec4 apart against bank conflicts. Storing one component may store its whole vector (Metal does), so no two
// invocations ever store parts of the same.
const AS = R4 * TY + 1u;
const BS = max(J4 * TX + 1u, OW);
// A warp of 32 is 4 x 8 where there are that many columns.
const WX = min(TX, 8u);
const WY = 32u / WX;
// δ makes dO·v matter.
const PARTS = 1u + (MODE + 1u) / 2u % 2u;
const BYKEYS = MODE / 2u;
const RM = max(RI, RJ);
const LOG2E: f32 = 1.44269504089;
const LOW: f32 = -1e30;

var<workgroup> a: array<array<vec4f, AS>, 16>;
var<workgroup> b: array<array<vec4f, BS>, 16>;

// Four numbers of a token's row; past the end, of the last token, or the last of the row.
fn rowFour(part: u32, start: u32, token: u32, quad: u32) -> vec4f {
  let width = select(p.width0, p.width1, part == 1u);
  let column = min(4u * quad, (width - 1u) / 4u * 4u);
  let at = (start + min(token, p.rows - 1u) * p.heads) * width + column;
  if (part == 1u) { return x1Four(at, width - column); }
  return x0Four(at, width - column);
}
fn columnFour(part: u32, start: u32, token: u32, quad: u32) -> vec4f {
  let width = select(p.width0, p.width1, part == 1u);
  let column = min(4u * quad, (width - 1u) / 4u * 4u);
  let at = (start + min(token, p.columns - 1u) * p.heads) * width + column;
  if (part == 1u) { return y1Four(at, width - column); }
  return y0Four(at, width - column);
}
fn valueFour(start: u32, token: u32, quad: u32) -> vec4f {
  let column = min(4u * quad, (p.outWidth - 1u) / 4u * 4u);
  return zFour((start + min(token, p.columns - 1u) * p.heads) * p.outWidth + column, p.outWidth - column);
}

// Whether the column is there and the query sees the key.
fn sees(row: u32, column: u32) -> bool {
  let query = select(row, column, BYKEYS == 1u);
  let key = select(column, row, BYKEYS == 1u);
  return column < p.columns && (p.causal == 0u || key <= query || key < p.prefix);
}

// @block fetch
        // @unroll
        for (var l = 0u; l < LA; l++) {
          let g = (t + l * NT) % BX / 4u;
          // @unroll
          for (var i = 0u; i < 4u; i++) {
            fa[4u * l + i] = rowFour(part, rowStart, m0 + g / R4 + TY * (4u * (g % R4) + i), q0 + t % 4u);
          }
        }
        // @unroll
        for (var l = 0u; l < LB; l++) {
          let g = (t + l * NT) % BY / 4u;
          // @unroll
          for (var i = 0u; i < 4u; i++) {
            fb[4u * l + i] = columnFour(part, columnStart, c0 + g / J4 + TX * (4u * (g % J4) + i), q0 + t % 4u);
          }
        }
// @end
// @block fetchValues
      // @unroll
      for (var l = 0u; l < LZ; l++) { fz[l] = valueFour(columnStart, z0 + (t + l * NT) / OW, quad0 + (t + l * NT) % OW); }
// @end

@compute @workgroup_size(TY * TX)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) t: u32) {
  // @registers s acc x y fa fb fz high total shift less
  let tx = t / 32u % (TX / WX) * WX + t % WX;
  let ty = t / (32u * (TX / WX)) * WY + t % 32u / WX;
  // Long blocks first: under a mask the last queries see the most keys, the first keys are seen by the most queries.
  let block = select(groups.y - 1u - group.y, group.y, BYKEYS == 1u);
  let m0 = block * BM;
  let rowStart = (group.x / p.heads) * p.rows * p.heads + group.x % p.heads;
  let columnStart = (group.x / p.heads) * p.columns * p.heads + group.x % p.heads;
  let quad0 = group.z * OW;
  var first = 0u;
  var last = p.columns;
  // Columns from here on are seen by every row of the block; and up to here, where the rows are queries.
  var open = 0u;
  if (p.causal == 1u) {
    if (BYKEYS == 1u) {
      if (m0 >= p.prefix) { first = m0; }
      if (m0 + BM > p.prefix) { open = m0 + BM; }
    } else {
      last = min(last, max(m0 + BM, p.prefix));
      open = max(m0 + 1u, p.prefix);
    }
  }
  let scale = p.scale * LOG2E;

  var s: array<f32, PARTS * RI * RJ>;
  var acc: array<vec4f, RI * CV>;
  // @unroll
  for (var l = 0u; l < RI * CV; l++) { acc[l] = vec4f(); }
  // Of each row: its largest score so far and the sum of this invocation's weights; of each query: logSum and δ.
  var high: array<f32, RI>;
  var total: array<f32, RI>;
  var shift: array<f32, RM>;
  var less: array<f32, RM>;
  // @unroll
  for (var r = 0u; r < RI; r++) {
    high[r] = LOW;
    total[r] = 0.0;
    if (MODE == 1u) {
      let at = rowStart + min(m0 + ty + TY * r, p.rows - 1u) * p.heads;
      shift[r] = logSum[at] * LOG2E;
      less[r] = delta[at];
    }
  }

  for (var c0 = first; c0 < last; c0 += BN) {
    if (BYKEYS == 1u) {
      // @unroll
      for (var j = 0u; j < RJ; j++) {
        let at = columnStart + min(c0 + tx + TX * j, p.columns - 1u) * p.heads;
        shift[j] = logSum[at] * LOG2E;
        if (PARTS == 2u) { less[j] = delta[at]; }
      }
    }
    // Part 0: q·k. Part 1: dO·v.
    // @unroll
    for (var part = 0u; part < PARTS; part++) {
      // @unroll
      for (var l = 0u; l < RI * RJ; l++) { s[part * RI * RJ + l] = 0.0; }
      let quads = (select(p.width0, p.width1, part == 1u) + 3u) / 4u;
      var fa: array<vec4f, 4u * LA>;
      var fb: array<vec4f, 4u * LB>;
      var q0 = 0u;
      // @place fetch
      while (q0 < quads) {
        workgroupBarrier();
        // Past the width both are zero.
        let some = q0 + t % 4u < quads;
        // @unroll
        for (var l = 0u; l < LA; l++) {
          let e = t + l * NT;
          if (BX % NT == 0u || e < BX) {
            // @unroll
            for (var i = 0u; i < 4u; i++) {
              let turned = vec4f(fa[4u * l][i], fa[4u * l + 1u][i], fa[4u * l + 2u][i], fa[4u * l + 3u][i]);
              a[4u * (t % 4u) + i][e / 4u] = select(vec4f(), turned, some);
            }
          }
        }
        // @unroll
        for (var l = 0u; l < LB; l++) {
          let e = t + l * NT;
          if (BY % NT == 0u || e < BY) {
            // @unroll
            for (var i = 0u; i < 4u; i++) {
              let turned = vec4f(fb[4u * l][i], fb[4u * l + 1u][i], fb[4u * l + 2u][i], fb[4u * l + 3u][i]);
              b[4u * (t % 4u) + i][e / 4u] = select(vec4f(), turned, some);
            }
          }
        }
        workgroupBarrier();
        // The next panel is under way while this one is used.
        q0 += 4u;
        // @place fetch
        // @unroll
        for (var k = 0u; k < 16u; k++) {
          var x: array<vec4f, R4>;
          var y: array<vec4f, J4>;
          // @unroll
          for (var r = 0u; r < R4; r++) { x[r] = a[k][ty * R4 + r]; }
          // @unroll
          for (var j = 0u; j < J4; j++) { y[j] = b[k][tx * J4 + j]; }
          // @unroll
          for (var r = 0u; r < RI; r++) {
            // @unroll
            for (var j = 0u; j < RJ; j++) {
              s[part * RI * RJ + r * RJ + j] = fma(x[r / 4u][r % 4u], y[j / 4u][j % 4u], s[part * RI * RJ + r * RJ + j]);
            }
          }
        }
      }
    }

    var fz: array<vec4f, LZ>;
    var z0 = c0;
    // @place fetchValues
    var partly = c0 + BN > p.columns;
    if (p.causal == 1u) {
      if (BYKEYS == 1u) { partly = partly || c0 < open; } else { partly = partly || c0 + BN > open; }
    }
    if (MODE == 0u) {
      // @unroll
      for (var l = 0u; l < RI * RJ; l++) { s[l] *= scale; }
      if (partly) {
        // @unroll
        for (var r = 0u; r < RI; r++) {
          // @unroll
          for (var j = 0u; j < RJ; j++) {
            s[r * RJ + j] = select(LOW, s[r * RJ + j], sees(m0 + ty + TY * r, c0 + tx + TX * j));
          }
        }
      }
      workgroupBarrier();
      // @unroll
      for (var q = 0u; q < R4; q++) {
        var most = vec4f(high[4u * q], high[4u * q + 1u], high[4u * q + 2u], high[4u * q + 3u]);
        // @unroll
        for (var j = 0u; j < RJ; j++) {
          most = max(most, vec4f(s[4u * q * RJ + j], s[(4u * q + 1u) * RJ + j], s[(4u * q + 2u) * RJ + j], s[(4u * q + 3u) * RJ + j]));
        }
        a[tx][q * TY + ty] = most;
      }
      workgroupBarrier();
      // @unroll
      for (var q = 0u; q < R4; q++) {
        var most = a[0][q * TY + ty];
        // @unroll
        for (var i = 0u; i < TX - 1u; i++) { most = max(most, a[i + 1u][q * TY + ty]); }
        // @unroll
        for (var i = 0u; i < 4u; i++) {
          let kept = exp2(high[4u * q + i] - most[i]);
          high[4u * q + i] = most[i];
          total[4u * q + i] *= kept;
          // @unroll
          for (var j = 0u; j < RJ; j++) {
            s[(4u * q + i) * RJ + j] = exp2(s[(4u * q + i) * RJ + j] - most[i]);
            total[4u * q + i] += s[(4u * q + i) * RJ + j];
          }
          // @unroll
          for (var c = 0u; c < CV; c++) { acc[(4u * q + i) * CV + c] *= kept; }
        }
      }
    } else {
      // @unroll
      for (var r = 0u; r < RI; r++) {
        // @unroll
        for (var j = 0u; j < RJ; j++) {
          if (BYKEYS == 1u) {
            s[r * RJ + j] = exp2(fma(s[r * RJ + j], scale, -shift[j]));
            if (PARTS == 2u) { s[r * RJ + j] *= s[(PARTS - 1u) * RI * RJ + r * RJ + j] - less[j]; }
          } else {
            s[r * RJ + j] = exp2(fma(s[r * RJ + j], scale, -shift[r]));
            s[r * RJ + j] *= s[(PARTS - 1u) * RI * RJ + r * RJ + j] - less[r];
          }
        }
      }
      if (partly) {
        // @unroll
        for (var r = 0u; r < RI; r++) {
          // @unroll
          for (var j = 0u; j < RJ; j++) {
            s[r * RJ + j] = select(0.0, s[r * RJ + j], sees(m0 + ty + TY * r, c0 + tx + TX * j));
          }
        }
      }
    }

    // out += weights · z
    // @unroll
    for (var panel = 0u; panel < BN / 16u; panel++) {
      workgroupBarrier();
      // @unroll
      for (var j = 0u; j < JP; j++) {
        // @unroll
        for (var q = 0u; q < R4; q++) {
          a[tx + TX * j][ty * R4 + q] = vec4f(
            s[4u * q * RJ + panel * JP + j], s[(4u * q + 1u) * RJ + panel * JP + j],
            s[(4u * q + 2u) * RJ + panel * JP + j], s[(4u * q + 3u) * RJ + panel * JP + j]);
        }
      }
      // @unroll
      for (var l = 0u; l < LZ; l++) { b[(t + l * NT) / OW][(t + l * NT) % OW] = fz[l]; }
      workgroupBarrier();
      if (panel + 1u < BN / 16u) {
        z0 += 16u;
        // @place fetchValues
      }
      // @unroll
      for (var k = 0u; k < 16u; k++) {
        var x: array<vec4f, R4>;
        // @unroll
        for (var q = 0u; q < R4; q++) { x[q] = a[k][ty * R4 + q]; }
        // @unroll
        for (var c = 0u; c < CV; c++) {
          let four = b[k][tx + TX * c];
          // @unroll
          for (var q = 0u; q < R4; q++) {
            // @unroll
            for (var e = 0u; e < 4u; e++) { acc[(4u * q + e) * CV + c] = fma(vec4f(x[q][e]), four, acc[(4u * q + e) * CV + c]); }
          }
        }
      }
    }
  }

  if (MODE == 0u) {
    workgroupBarrier();
    // @unroll
    for (var q = 0u; q < R4; q++) {
      a[tx][q * TY + ty] = vec4f(total[4u * q], total[4u * q + 1u], total[4u * q + 2u], total[4u * q + 3u]);
    }
    workgroupBarrier();
    // @unroll
    for (var q = 0u; q < R4; q++) {
      var four = a[0][q * TY + ty];
      // @unroll
      for (var i = 0u; i < TX - 1u; i++) { four += a[i + 1u][q * TY + ty]; }
      // @unroll
      for (var i = 0u; i < 4u; i++) { total[4u * q + i] = four[i]; }
    }
  }
  // @unroll
  for (var r = 0u; r < RI; r++) {
    let token = m0 + ty + TY * r;
    if (token < p.rows) {
      let row = rowStart + token * p.heads;
      var factor = 1.0;
      if (MODE == 0u) { factor = 1.0 / total[r]; }
      if (PARTS == 2u) { factor = p.scale; }
      // @unroll
      for (var c = 0u; c < CV; c++) {
        let column = 4u * (quad0 + tx + TX * c);
        if (column < p.outWidth) { outStore(row * p.outWidth + column, p.outWidth - column, factor * acc[r * CV + c]); }
      }
      if (MODE == 0u && tx == 0u && group.z == 0u) { storeLogSum(row, (high[r] + log2(total[r])) / LOG2E); }
    }
  }
}
