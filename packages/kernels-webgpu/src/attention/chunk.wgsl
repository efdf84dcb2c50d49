// The one primitive, T, for a run of tokens cut into segments; a workgroup has a segment (x), a head (y) and a tile of columns (z):
//   out_i = Σ_{n visible from i} P_in z_n        P_in = α_i β_n + x_i · y_n        G_i = Σ_{n visible from i} P_in ω_n
// (math.md: T(x, y, z) of the augmented rows [x, α], [y, β], [z, ω]). What a segment sees before itself comes as the state
// S = Σ y zᵀ, U = Σ β z, Z = Σ ω y, c = Σ β ω; inside it, chunks of C tokens go one after the other: the state's part, the masked
// C x C block, then the state takes the chunk in. Without CAUSAL every row sees the state alone.
//
// Two teams of TY x TX invocations: one multiplies x by the state and later P by z, the other makes P and the new state meanwhile. (An
// H200 under Vulkan runs one workgroup of this size a multiprocessor, so its phases must overlap inside.) Rows of a chunk are dealt TY
// apart and columns TX apart, so that what is above the diagonal is known when the shader is made and is left out. An invocation's
// rows are the components of its vec4s of P. EXTRA: 0 no G; 1 out is divided by G, which
// is written; 2 G is written (ACC: added); 3 Σ G and Σ aux · out are summed.
@group(0) @binding(2) var<storage, read> x: array<XUnit>;
@group(0) @binding(3) var<storage, read> y: array<XUnit>;
@group(0) @binding(4) var<storage, read> z: array<ZUnit>;
@group(0) @binding(5) var<storage, read> slots: array<f32>;
@group(0) @binding(6) var<storage, read_write> out: array<ZUnit>;
@group(0) @binding(7) var<storage, read_write> extra: array<f32>;
@group(0) @binding(8) var<storage, read> aux: array<ZUnit>;

const NT = TY * TX;                   // invocations of a team
const ALL = 2u * NT;
const RI = C / TY;                    // rows of an invocation
const R4 = RI / 4u;
const RN = C / TX;                    // columns of P
const RJ = TV4 / TX;                  // vec4 columns of out
const XS = DP4 + 1u;                  // stride of rows in x and y tiles, padded against bank conflicts
const YO = C * XS;
const SM = (DP4 + TY - 1u) / TY;      // vec4 rows of the state
const NP = D4 / DP4;                  // panels of features
const PS = TY * R4 + 1u;              // stride of keys in P
const LX = (C * DP4 + ALL - 1u) / ALL;   // vec4s of x (and y), and of z, that an invocation loads
const LZ = (C * TV4 + ALL - 1u) / ALL;
const HALF = max(1u, NT / 2u);

var<workgroup> tile: array<vec4f, TILE>;          // x and y; then P at PO, and shares of G at GO
var<workgroup> zTile: array<vec4f, C * TV4>;
var<workgroup> state: array<vec4f, 4u * D4 * TV4>;
var<workgroup> u: array<vec4f, UP * TV4>;          // in UP and ZP shares, so that many can add to them
var<workgroup> zSum: array<vec4f, ZP * D4>;
var<workgroup> alpha: array<f32, C>;
var<workgroup> beta: array<f32, C>;
var<workgroup> omega: array<f32, C>;
var<workgroup> count: f32;

// Four numbers of a slot, `stride` apart; zeros from the `left`-th on.
fn slotFour(at: u32, stride: u32, left: i32) -> vec4f {
  return vec4f(
    select(0.0, slots[at], left > 0), select(0.0, slots[at + stride], left > 1),
    select(0.0, slots[at + 2u * stride], left > 2), select(0.0, slots[at + 3u * stride], left > 3));
}
@compute @workgroup_size(2u * TY * TX)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) t: u32) {
  // @registers o pv xv w s yv zv g fx fy fz sx sy sz av
  let pair = group.y;
  let team = t / NT;
  let ty = (t % NT) / TX;
  let tx = t % TX;
  let column0 = 4u * TV4 * group.z;
  let first = group.x * p.segment;
  let last = min(first + p.segment, p.length);
  let base = (pair * (p.segments + 1u) + select(p.segments, group.x, CAUSAL == 1u)) * p.slot;
  var sums = vec2f();
  var next = 0.0;   // what the last chunk adds to the count
  let step = select(p.heads, 0u - p.heads, p.reverse == 1u);   // to the next row of this head; wraps
  let scaleX = factors[p.fx.x];
  let scaleY = factors[p.fy.x];
  let scaleZ = factors[p.fz.x];

  for (var e = t; e < 4u * D4 * TV4; e += ALL) {
    let m = e / TV4;
    let j = column0 + 4u * (e % TV4);
    let left = select(0, i32(p.columns) - i32(j), m < p.features);
    state[e] = slotFour(base + p.atS + m * p.strideM + j * p.strideJ, p.strideJ, left);
  }
  for (var e = t; e < UP * TV4; e += ALL) {
    let j = column0 + 4u * e;
    u[e] = slotFour(base + p.atU + j * p.strideJ, p.strideJ, select(0, i32(p.columns) - i32(j), e < TV4));
  }
  if (EXTRA != 0u) {
    for (var e = t; e < ZP * D4; e += ALL) {
      zSum[e] = slotFour(base + p.atZ + 4u * e * p.strideM, p.strideM, select(0, i32(p.features) - i32(4u * e), e < D4));
    }
    if (t == 0u) { count = slots[base + p.atC]; }
  }

  // Loads run one panel ahead: they are issued before the state takes the chunk in, and waited for after.
  // @block fetch
  {
    let rows = min(C, last - fetchAt);
    let xRow = rowOf(0u, pair, fetchAt);
    let yRow = rowOf(1u, pair, fetchAt);
    // @unroll
    for (var l = 0u; l < LX; l++) {
      let i = (t + l * ALL) / DP4;
      let f = 4u * (fetchPanel * DP4 + (t + l * ALL) % DP4);
      let inside = i < rows && (FULL == 1u || f < p.features);
      let row = xRow + select(0u, i * step, inside);
      fx[l] = xFour(row * p.features + select(0u, f, inside), p.features - f);
      if ((PLANES & 1u) != 0u) { sx[l] = factors[p.fx.y + row]; }
      if (CAUSAL == 1u) {
        let key = yRow + select(0u, i * step, inside);
        fy[l] = yFour(key * p.features + select(0u, f, inside), p.features - f);
        if ((PLANES & 4u) != 0u) { sy[l] = factors[p.fy.y + key]; }
      }
    }
    if (fetchPanel == 0u) {
      if (CAUSAL == 1u) {
        // @unroll
        for (var l = 0u; l < LZ; l++) {
          let i = (t + l * ALL) / TV4;
          let f = column0 + 4u * ((t + l * ALL) % TV4);
          let inside = i < rows && (FULL == 1u || f < p.columns);
          let key = yRow + select(0u, i * step, inside);
          fz[l] = zFour(key * p.columns + select(0u, f, inside), p.columns - f);
          if ((PLANES & 16u) != 0u) { sz[l] = factors[p.fz.y + key]; }
        }
      }
      if (t < rows) {
        if ((PLANES & 2u) != 0u) { own.x = factors[p.fAlpha.y + xRow + t * step]; }
        if ((PLANES & 8u) != 0u) { own.y = factors[p.fBeta.y + yRow + t * step]; }
        if ((PLANES & 32u) != 0u) { own.z = factors[p.fOmega.y + yRow + t * step]; }
      }
    }
  }
  // @end
  var fx: array<vec4f, LX>;
  var fy: array<vec4f, LX>;
  var fz: array<vec4f, LZ>;
  var sx: array<f32, LX>;
  var sy: array<f32, LX>;
  var sz: array<f32, LZ>;
  var own = vec3f(1.0);   // α, β and ω of row t
  // @unroll
  for (var l = 0u; l < LX; l++) {
    sx[l] = 1.0;
    sy[l] = 1.0;
  }
  // @unroll
  for (var l = 0u; l < LZ; l++) { sz[l] = 1.0; }
  let coefficients = vec3f(factors[p.fAlpha.x], factors[p.fBeta.x], factors[p.fOmega.x]);
  var fetchAt = first;
  var fetchPanel = 0u;
  // @place fetch

  for (var at = first; at < last; at += C) {
    var o: array<vec4f, RI * RJ>;
    var pv: array<vec4f, R4 * RN>;
    var g: array<vec4f, R4>;
    let rows = min(C, last - at);
    let xRow = rowOf(0u, pair, at);
    // A declaration in a loop is not enough: SwiftShader kept the last iteration's numbers.
    // @unroll
    for (var r = 0u; r < R4; r++) { g[r] = vec4f(); }

    for (var panel = 0u; panel < NP; panel++) {
      // The last chunk may still be read.
      workgroupBarrier();
      // @unroll
      for (var l = 0u; l < LX; l++) {
        let i = (t + l * ALL) / DP4;
        let q = (t + l * ALL) % DP4;
        let inside = i < rows && (FULL == 1u || 4u * (panel * DP4 + q) < p.features);
        if (C * DP4 % ALL == 0u || i < C) {
          tile[i * XS + q] = select(vec4f(), (scaleX * sx[l]) * fx[l], inside);
          if (CAUSAL == 1u) { tile[YO + i * XS + q] = select(vec4f(), (scaleY * sy[l]) * fy[l], inside); }
        }
      }
      if (panel == 0u) {
        if (CAUSAL == 1u) {
          // @unroll
          for (var l = 0u; l < LZ; l++) {
            let i = (t + l * ALL) / TV4;
            let inside = i < rows && (FULL == 1u || column0 + 4u * ((t + l * ALL) % TV4) < p.columns);
            if (C * TV4 % ALL == 0u || i < C) { zTile[t + l * ALL] = select(vec4f(), (scaleZ * sz[l]) * fz[l], inside); }
          }
        }
        for (var i = t; i < C; i += ALL) {
          var found = coefficients * own;
          if (ALL < C && i < rows) {
            let yRow = rowOf(1u, pair, at);
            found = vec3f(factor(p.fAlpha, xRow + i * step), factor(p.fBeta, yRow + i * step), factor(p.fOmega, yRow + i * step));
          }
          found = select(vec3f(), found, i < rows);
          alpha[i] = found.x;
          beta[i] = found.y;
          omega[i] = found.z;
        }
        if (EXTRA != 0u && t == 0u) { count += next; }
      }
      workgroupBarrier();

      var s: array<vec4f, SM * 4u * RJ>;
      if (team == 0u) {
        // x times the state.
        if (panel == 0u) {
          // @unroll
          for (var j = 0u; j < RJ; j++) {
            var sum = u[tx + TX * j];
            // @unroll
            for (var i = 1u; i < UP; i++) { sum += u[i * TV4 + tx + TX * j]; }
            // @unroll
            for (var r = 0u; r < RI; r++) { o[r * RJ + j] = alpha[ty + TY * r] * sum; }
          }
        }
        for (var q = 0u; q < DP4; q++) {
          var xv: array<vec4f, RI>;
          // @unroll
          for (var r = 0u; r < RI; r++) { xv[r] = tile[(ty + TY * r) * XS + q]; }
          // @unroll
          for (var i = 0u; i < 4u; i++) {
            // @unroll
            for (var j = 0u; j < RJ; j++) {
              let sIn = state[(4u * (panel * DP4 + q) + i) * TV4 + tx + TX * j];
              // @unroll
              for (var r = 0u; r < RI; r++) { o[r * RJ + j] = fma(vec4f(xv[r][i]), sIn, o[r * RJ + j]); }
            }
          }
        }
        if (EXTRA != 0u) {
          for (var q = tx; q < DP4; q += TX) {
            var sum = zSum[panel * DP4 + q];
            // @unroll
            for (var i = 1u; i < ZP; i++) { sum += zSum[i * D4 + panel * DP4 + q]; }
            // @unroll
            for (var r = 0u; r < RI; r++) { g[r / 4u][r % 4u] += dot(tile[(ty + TY * r) * XS + q], sum); }
          }
        }
      } else if (CAUSAL == 1u) {
        // x times y, on and under the diagonal.
        if (panel == 0u) {
          // @unroll
          for (var r = 0u; r < RI; r++) {
            // @unroll
            for (var n = 0u; n < RN; n++) { pv[(r / 4u) * RN + n][r % 4u] = alpha[ty + TY * r] * beta[tx + TX * n]; }
          }
        }
        for (var q = 0u; q < DP4; q++) {
          var xv: array<vec4f, RI>;
          // @unroll
          for (var r = 0u; r < RI; r++) { xv[r] = tile[(ty + TY * r) * XS + q]; }
          // @unroll
          for (var n = 0u; n < RN; n++) {
            let yIn = tile[YO + (tx + TX * n) * XS + q];
            // @unroll
            for (var r = 0u; r < RI; r++) {
              if (TY * (r + 1u) > TX * n) {
                let so = pv[(r / 4u) * RN + n][r % 4u];
                pv[(r / 4u) * RN + n][r % 4u] = fma(xv[r].x, yIn.x, fma(xv[r].y, yIn.y, fma(xv[r].z, yIn.z, fma(xv[r].w, yIn.w, so))));
              }
            }
          }
        }
        // The state takes the chunk in: S + Σ y zᵀ, kept until the other team has read S.
        if (ty < DP4) {
          // @unroll
          for (var m = 0u; m < SM; m++) {
            // @unroll
            for (var i = 0u; i < 4u; i++) {
              // @unroll
              for (var j = 0u; j < RJ; j++) { s[(m * 4u + i) * RJ + j] = state[(4u * (panel * DP4 + ty + TY * m) + i) * TV4 + tx + TX * j]; }
            }
          }
          for (var n = 0u; n < C; n++) {
            var yv: array<vec4f, SM>;
            var zv: array<vec4f, RJ>;
            // @unroll
            for (var m = 0u; m < SM; m++) { yv[m] = tile[YO + n * XS + ty + TY * m]; }
            // @unroll
            for (var j = 0u; j < RJ; j++) { zv[j] = zTile[n * TV4 + tx + TX * j]; }
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
      }
      workgroupBarrier();

      fetchPanel = select(0u, panel + 1u, panel + 1u < NP);
      fetchAt = select(at, at + C, fetchPanel == 0u);
      if (fetchAt < last) {
        // @place fetch
      }

      if (CAUSAL == 1u) {
        if (team == 1u) {
          if (ty < DP4) {
            // @unroll
            for (var m = 0u; m < SM; m++) {
              // @unroll
              for (var i = 0u; i < 4u; i++) {
                // @unroll
                for (var j = 0u; j < RJ; j++) { state[(4u * (panel * DP4 + ty + TY * m) + i) * TV4 + tx + TX * j] = s[(m * 4u + i) * RJ + j]; }
              }
            }
          }
        } else {
          // U, Z and c take it in too.
          if (t < HALF || NT == 1u) {
            for (var e = t; e < UP * TV4 && panel == 0u; e += HALF) {
              var sum = u[e];
              for (var n = e / TV4; n < C; n += UP) { sum += beta[n] * zTile[n * TV4 + e % TV4]; }
              u[e] = sum;
            }
          } else if (EXTRA != 0u) {
            for (var e = t - HALF; e < ZP * DP4; e += HALF) {
              let to = (e / DP4) * D4 + panel * DP4 + e % DP4;
              var sum = zSum[to];
              for (var n = e / DP4; n < C; n += ZP) { sum += omega[n] * tile[YO + n * XS + e % DP4]; }
              zSum[to] = sum;
            }
          }
          if (EXTRA != 0u && t == 0u && panel == 0u) {
            next = f32(rows) * coefficients.y * coefficients.z;
            if ((PLANES & 40u) != 0u) {
              next = 0.0;
              // @unroll
              for (var n = 0u; n < C; n++) { next += beta[n] * omega[n]; }
            }
          }
        }
        if (NP > 1u) { workgroupBarrier(); }
      }
    }

    if (CAUSAL == 1u && team == 1u) {
      // P goes to workgroup memory, zero above the diagonal.
      // @unroll
      for (var n = 0u; n < RN; n++) {
        let key = tx + TX * n;
        // @unroll
        for (var r = 0u; r < R4; r++) {
          let row = vec4u(ty) + TY * vec4u(4u * r, 4u * r + 1u, 4u * r + 2u, 4u * r + 3u);
          let kept = select(vec4f(), pv[r * RN + n], row >= vec4u(key));
          tile[PO + key * PS + r * TY + ty] = kept;
        }
      }
    }
    if (EXTRA != 0u && team == 0u) {
      // @unroll
      for (var r = 0u; r < R4; r++) {
        if (EXTRA == 3u) { sums.x += dot(g[r], vec4f(1.0)); }
        else { tile[GO + (r * TX + tx) * TY + ty] = g[r]; }
      }
    }
    workgroupBarrier();

    if (team == 0u) {
      // Issued now, used after the block.
      var av: array<vec4f, RI * RJ>;
      if (EXTRA == 3u) {
        // @unroll
        for (var r = 0u; r < RI; r++) {
          // @unroll
          for (var j = 0u; j < RJ; j++) {
            let f = column0 + 4u * (tx + TX * j);
            let inside = ty + TY * r < rows && f < p.columns;
            let row = xRow + select(0u, (ty + TY * r) * step, inside);
            av[r * RJ + j] = auxFour(row * p.columns + select(0u, f, inside), p.columns - f);
          }
        }
      }
      // @unroll
      for (var r = 0u; r < R4; r++) { g[r] = vec4f(); }
      if (CAUSAL == 1u) {
        // The block: P times z, and (by every column alike) P times ω.
        // @unroll
        for (var n = 0u; n < RN; n++) {
          for (var k = TX * n; k < TX * n + TX; k++) {
            var w: array<vec4f, R4>;
            // @unroll
            for (var r = 0u; r < R4; r++) {
              w[r] = tile[PO + k * PS + r * TY + ty];
              if (EXTRA != 0u) { g[r] += select(coefficients.z, omega[k], (PLANES & 32u) != 0u) * w[r]; }
            }
            // @unroll
            for (var j = 0u; j < RJ; j++) {
              let zIn = zTile[k * TV4 + tx + TX * j];
              // @unroll
              for (var r = 0u; r < RI; r++) {
                if (TY * (r + 1u) > TX * n) { o[r * RJ + j] = fma(vec4f(w[r / 4u][r % 4u]), zIn, o[r * RJ + j]); }
              }
            }
          }
        }
      }
      if (EXTRA == 3u && tx == 0u) {
        // @unroll
        for (var r = 0u; r < R4; r++) { sums.x += dot(g[r], vec4f(1.0)); }
        for (var i = ty; i < rows; i += TY) { sums.x += alpha[i] * count; }
      }
      if (EXTRA == 1u || EXTRA == 2u) {
        // @unroll
        for (var r = 0u; r < R4; r++) {
          g[r] += count * vec4f(alpha[ty + TY * (4u * r)], alpha[ty + TY * (4u * r + 1u)], alpha[ty + TY * (4u * r + 2u)], alpha[ty + TY * (4u * r + 3u)]);
          // @unroll
          for (var i = 0u; i < TX; i++) { g[r] += tile[GO + (r * TX + i) * TY + ty]; }
        }
      }
      // @unroll
      for (var r = 0u; r < RI; r++) {
        let i = ty + TY * r;
        if (i < rows) {
          let row = xRow + i * step;
          var scale = factors[p.fo.x];
          if ((PLANES & 64u) != 0u) { scale *= factors[p.fo.y + row]; }
          if (EXTRA == 1u || EXTRA == 2u) {
            let whole = g[r / 4u][r % 4u];
            if (EXTRA == 1u) { scale /= whole; }
            if (tx == 0u && group.z == 0u) {
              if (EXTRA == 2u && ACC == 1u) { extra[row] += whole; } else { extra[row] = whole; }
            }
          }
          // @unroll
          for (var j = 0u; j < RJ; j++) {
            let f = column0 + 4u * (tx + TX * j);
            if (f < p.columns) {
              let to = row * p.columns + f;
              if (EXTRA == 3u) { sums.y += dot(av[r * RJ + j], o[r * RJ + j]); }
              var value = scale * o[r * RJ + j];
              if (ACC == 1u) { value += outFour(to, p.columns - f); }
              outStore(to, p.columns - f, value);
            }
          }
        }
      }
    }
  }

  if (EXTRA == 3u) {
    workgroupBarrier();
    tile[t] = vec4f(sums, 0.0, 0.0);
    workgroupBarrier();
    if (t == 0u) {
      var total = vec2f();
      for (var i = 0u; i < ALL; i++) { total += tile[i].xy; }
      // Every tile of columns has the same G.
      if (group.z > 0u) { total.x = 0.0; }
      let to = (group.z * groups.y + group.y) * groups.x + group.x;
      extra[2u * to] = total.x;
      extra[2u * to + 1u] = total.y;
    }
  }
}
