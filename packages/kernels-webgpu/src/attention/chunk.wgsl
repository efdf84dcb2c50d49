// The one primitive, T, for a run of tokens; a workgroup has a chunk of C rows (x), a head (y) and a tile of 4 TV4 columns (z):
//   out_i = Σ_{n visible from i} P_in z_n        P_in = α_i β_n + x_i · y_n        G_i = Σ_{n visible from i} P_in ω_n
// (math.md: T(x, y, z) of the augmented rows [x, α], [y, β], [z, ω]). What the chunk sees before itself comes as the state S = Σ y zᵀ,
// U = Σ β z, Z = Σ ω y, c = Σ β ω: what its segment began with plus what the segment's former chunks added (states.wgsl). So chunks are
// independent: out = [x P] [S; z] is a product of tiles, by panels of KP features, then of KZ keys. Without CAUSAL every row sees the
// last state alone.
//
// Tiles hold panels by feature (by key), so that every product reads rows and columns four at a time: x at tile, y at tile + YO, both
// with their rows in the order of their invocations; then Pᵀ at tile. An invocation has the rows ty + TY r and the keys tx + TX n:
// what is above the diagonal is known when the shader is made, and left out. Loads run one panel ahead. EXTRA: 0 no G; 1 out is
// divided by G, which is written; 2 G is written (ACC: added); 3 Σ G and Σ aux · out are summed. XCH: S is stored transposed.
@group(0) @binding(2) var<storage, read> x: array<XUnit>;
@group(0) @binding(3) var<storage, read> y: array<XUnit>;
@group(0) @binding(4) var<storage, read> z: array<ZUnit>;
@group(0) @binding(5) var<storage, read> slots: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> out: array<ZUnit>;
@group(0) @binding(7) var<storage, read_write> extra: array<f32>;
@group(0) @binding(8) var<storage, read> aux: array<ZUnit>;

const NT = TY * TX;
const RI = C / TY;                    // rows of an invocation
const R4 = RI / 4u;
const RN = C / TX;                    // keys of an invocation
const N4 = RN / 4u;
const RJ = TV4 / TX;                  // vec4 columns of an invocation
const KP4 = KP / 4u;
const NB = KZ / TX;                   // keys of an invocation in a panel of keys
const C4 = C / 4u;
const XS = C4 + 1u;                   // strides of panels, padded against bank conflicts
const SS = TV4 + 1u;
const YO = KP * XS;
const LX = C * KP4 / NT;              // vec4s that an invocation loads of x (and of y), of S, and of z
const LS = KP * TV4 / NT;
const LZ = KZ * TV4 / NT;
const TILE = max(max(2u * KP, KZ) * XS, TX * C4);

var<workgroup> tile: array<vec4f, TILE>;
var<workgroup> sTile: array<vec4f, max(KP, KZ) * SS>;
var<workgroup> zState: array<f32, KP>;
var<workgroup> alpha: array<f32, C>;
var<workgroup> beta: array<f32, C>;
var<workgroup> omega: array<f32, C>;
var<workgroup> whole: array<vec4f, C4>;

@compute @workgroup_size(TY * TX)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) t: u32) {
  // @registers o pv xv yv sv g fx fy fs fl fz sx sy sz av
  let place = placeOf(t, TY, TX);
  let ty = place.x;
  let tx = place.y;
  let pair = group.y;
  let at = group.x * C;
  let rows = min(C, p.length - at);
  let column0 = 4u * TV4 * group.z;
  let segment = at / p.segment;
  let before = (at % p.segment) / C;   // chunks of this segment before this one
  let base = (pair * (p.segments + 1u) + select(p.segments, segment, CAUSAL == 1u)) * p.slot;
  let inside = CAUSAL == 1u && before > 0u;
  let local = select(base, p.locals + ((pair * p.segments + segment) * (p.segment / C - 1u) + before - 1u) * p.slot, inside);
  let step = select(p.heads, 0u - p.heads, p.reverse == 1u);   // to the next row of this head; wraps
  let xRow = rowOf(0u, pair, at);
  let yRow = rowOf(1u, pair, at);
  let scaleX = factors[p.fx.x];
  let scaleY = factors[p.fy.x];
  let scaleZ = factors[p.fz.x];
  let panels = (p.features + KP - 1u) / KP;

  // A panel of x, y and S. Invocations take positions in the tile; a position's row is the one its reader has there.
  // @block fetch
  {
    // @unroll
    for (var l = 0u; l < LX; l++) {
      let position = t / KP4 + l * (NT / KP4);
      let f = KP * fetched + 4u * (t % KP4);
      let i = position / RI + TY * (position % RI);
      let loads = i < rows && (FULL == 1u || f < p.features);
      let row = xRow + select(0u, i * step, loads);
      fx[l] = xFour(row * p.features + select(0u, f, loads), p.features - f);
      if (CAUSAL == 1u) {
        let n = position / RN + TX * (position % RN);
        let loadsKey = n < rows && (FULL == 1u || f < p.features);
        let key = yRow + select(0u, n * step, loadsKey);
        fy[l] = yFour(key * p.features + select(0u, f, loadsKey), p.features - f);
      }
    }
    // @unroll
    for (var l = 0u; l < LS; l++) {
      let e = t + l * NT;
      let f = KP * fetched + select(e / TV4, 4u * (e % KP4), XCH == 1u);
      let j = column0 + select(4u * (e % TV4), e / KP4, XCH == 1u);
      let number = select(0u, select(f * p.strideS + j, j * p.strideS + f, XCH == 1u), FULL == 1u || (f < p.features && j < p.columns));
      fs[l] = slots[(base + number) / 4u];
      if (inside) { fl[l] = slots[(local + number) / 4u]; }
    }
    if (EXTRA != 0u && t < KP) {
      let f = min(KP * fetched + t, p.features - 1u);
      fetchedZ = slots[(base + p.atZ + f) / 4u][f % 4u];
      if (inside) { fetchedZ += slots[(local + p.atZ + f) / 4u][f % 4u]; }
    }
  }
  // @end
  // A panel of z.
  // @block fetchKeys
  {
    // @unroll
    for (var l = 0u; l < LZ; l++) {
      let n = KZ * fetched + (t + l * NT) / TV4;
      let j = column0 + 4u * ((t + l * NT) % TV4);
      let loads = n < rows && (FULL == 1u || j < p.columns);
      let key = yRow + select(0u, n * step, loads);
      fz[l] = zFour(key * p.columns + select(0u, j, loads), p.columns - j);
      if ((PLANES & 16u) != 0u) { sz[l] = factors[p.fz.y + key]; }
    }
  }
  // @end
  var fx: array<vec4f, LX>;
  var fy: array<vec4f, LX>;
  var fs: array<vec4f, LS>;
  var fl: array<vec4f, LS>;
  var fz: array<vec4f, LZ>;
  var sx: array<f32, LX>;
  var sy: array<f32, LX>;
  var sz: array<f32, LZ>;
  var fetchedZ = 0.0;
  var fetched = 0u;
  // @unroll
  for (var l = 0u; l < LS; l++) { fl[l] = vec4f(); }
  // @place fetch
  // @unroll
  for (var l = 0u; l < LX; l++) {
    let position = t / KP4 + l * (NT / KP4);
    sx[l] = scaleX;
    sy[l] = scaleY;
    let i = position / RI + TY * (position % RI);
    if ((PLANES & 1u) != 0u && i < rows) { sx[l] *= factors[p.fx.y + xRow + i * step]; }
    let n = position / RN + TX * (position % RN);
    if (CAUSAL == 1u && (PLANES & 4u) != 0u && n < rows) { sy[l] *= factors[p.fy.y + yRow + n * step]; }
  }
  // @unroll
  for (var l = 0u; l < LZ; l++) { sz[l] = 1.0; }
  for (var i = t; i < C; i += NT) {
    var found = vec3f();
    if (i < rows) {
      found.x = factor(p.fAlpha, xRow + i * step);
      if (CAUSAL == 1u) {
        found.y = factor(p.fBeta, yRow + i * step);
        found.z = factor(p.fOmega, yRow + i * step);
      }
    }
    alpha[i] = found.x;
    beta[i] = found.y;
    omega[i] = found.z;
  }

  var o: array<vec4f, RI * RJ>;
  var pv: array<vec4f, R4 * RN>;
  var g: array<vec4f, R4>;
  // x times [y S].
  for (var panel = 0u; panel < panels; panel++) {
    workgroupBarrier();
    // @unroll
    for (var l = 0u; l < LX; l++) {
      let position = t / KP4 + l * (NT / KP4);
      let q = 4u * (t % KP4);
      let some = FULL == 1u || KP * panel + q < p.features;
      let xIn = select(vec4f(), sx[l] * fx[l], some && position / RI + TY * (position % RI) < rows);
      // @unroll
      for (var i = 0u; i < 4u; i++) { tile[(q + i) * XS + position / 4u][position % 4u] = xIn[i]; }
      if (CAUSAL == 1u) {
        let yIn = select(vec4f(), sy[l] * fy[l], some && position / RN + TX * (position % RN) < rows);
        // @unroll
        for (var i = 0u; i < 4u; i++) { tile[YO + (q + i) * XS + position / 4u][position % 4u] = yIn[i]; }
      }
    }
    // @unroll
    for (var l = 0u; l < LS; l++) {
      let e = t + l * NT;
      let f = select(e / TV4, 4u * (e % KP4), XCH == 1u);
      let j = select(4u * (e % TV4), e / KP4, XCH == 1u);
      let sIn = select(vec4f(), fs[l] + fl[l], FULL == 1u || (KP * panel + f < p.features && column0 + j < p.columns));
      if (XCH == 1u) {
        // @unroll
        for (var i = 0u; i < 4u; i++) { sTile[(f + i) * SS + j / 4u][j % 4u] = sIn[i]; }
      } else {
        sTile[f * SS + j / 4u] = sIn;
      }
    }
    if (EXTRA != 0u && t < KP) { zState[t] = fetchedZ; }
    workgroupBarrier();
    fetched = panel + 1u;
    if (fetched < panels) {
      // @place fetch
    } else if (CAUSAL == 1u) {
      fetched = 0u;
      // @place fetchKeys
    }
    for (var k = 0u; k < KP; k += KU) {
      // @unroll
      for (var u = 0u; u < KU; u++) {
        var xv: array<vec4f, R4>;
        var yv: array<vec4f, N4>;
        var sv: array<vec4f, RJ>;
        // @unroll
        for (var r = 0u; r < R4; r++) { xv[r] = tile[(k + u) * XS + ty * R4 + r]; }
        // @unroll
        for (var j = 0u; j < RJ; j++) { sv[j] = sTile[(k + u) * SS + tx + TX * j]; }
        if (CAUSAL == 1u) {
          // @unroll
          for (var n = 0u; n < N4; n++) { yv[n] = tile[YO + (k + u) * XS + tx * N4 + n]; }
          // @unroll
          for (var n = 0u; n < RN; n++) {
            // @unroll
            for (var r = 0u; r < RI; r++) {
              if (TY * (r + 1u) > TX * n) {
                pv[n * R4 + r / 4u][r % 4u] = fma(xv[r / 4u][r % 4u], yv[n / 4u][n % 4u], pv[n * R4 + r / 4u][r % 4u]);
              }
            }
          }
        }
        // @unroll
        for (var r = 0u; r < RI; r++) {
          // @unroll
          for (var j = 0u; j < RJ; j++) { o[r * RJ + j] = fma(vec4f(xv[r / 4u][r % 4u]), sv[j], o[r * RJ + j]); }
        }
      }
    }
    if (EXTRA != 0u) {
      // x times Z, in shares.
      for (var k = tx; k < KP; k += TX) {
        // @unroll
        for (var r = 0u; r < R4; r++) { g[r] += zState[k] * tile[k * XS + ty * R4 + r]; }
      }
    }
  }

  var sums = vec2f();
  var av: array<vec4f, RI * RJ>;
  if (CAUSAL == 1u) {
    // P, zero above the diagonal; what this invocation has of it, times ω.
    // @unroll
    for (var n = 0u; n < RN; n++) {
      // @unroll
      for (var r = 0u; r < RI; r++) {
        if (TY * (r + 1u) > TX * n) {
          let full = pv[n * R4 + r / 4u][r % 4u] + alpha[ty + TY * r] * beta[tx + TX * n];
          pv[n * R4 + r / 4u][r % 4u] = select(0.0, full, ty + TY * r >= tx + TX * n);
        }
      }
      if (EXTRA != 0u) {
        // @unroll
        for (var r = 0u; r < R4; r++) { g[r] += omega[tx + TX * n] * pv[n * R4 + r]; }
      }
    }
    // P times z.
    // @unroll
    for (var b = 0u; b < C / KZ; b++) {
      workgroupBarrier();
      // @unroll
      for (var n = 0u; n < NB; n++) {
        // @unroll
        for (var r = 0u; r < R4; r++) { tile[(n * TX + tx) * XS + ty * R4 + r] = pv[(b * NB + n) * R4 + r]; }
      }
      // @unroll
      for (var l = 0u; l < LZ; l++) {
        let n = (t + l * NT) / TV4;
        let j = (t + l * NT) % TV4;
        let some = KZ * b + n < rows && (FULL == 1u || column0 + 4u * j < p.columns);
        sTile[n * SS + j] = select(vec4f(), (scaleZ * sz[l]) * fz[l], some);
      }
      workgroupBarrier();
      fetched = b + 1u;
      if (b + 1u < C / KZ) {
        // @place fetchKeys
      } else if (EXTRA == 3u) {
        // @unroll
        for (var r = 0u; r < RI; r++) {
          // @unroll
          for (var j = 0u; j < RJ; j++) {
            let f = column0 + 4u * (tx + TX * j);
            let loads = ty + TY * r < rows && f < p.columns;
            let row = xRow + select(0u, (ty + TY * r) * step, loads);
            av[r * RJ + j] = auxFour(row * p.columns + select(0u, f, loads), p.columns - f);
          }
        }
      }
      // @unroll
      for (var n = 0u; n < NB; n++) {
        for (var k = n * TX; k < n * TX + TX; k += KU) {
          // @unroll
          for (var u = 0u; u < KU; u++) {
            var xv: array<vec4f, R4>;
            var sv: array<vec4f, RJ>;
            // @unroll
            for (var r = 0u; r < R4; r++) { xv[r] = tile[(k + u) * XS + ty * R4 + r]; }
            // @unroll
            for (var j = 0u; j < RJ; j++) { sv[j] = sTile[(k + u) * SS + tx + TX * j]; }
            // @unroll
            for (var r = 0u; r < RI; r++) {
              // @unroll
              for (var j = 0u; j < RJ; j++) {
                if (TY * (r + 1u) > TX * (b * NB + n)) { o[r * RJ + j] = fma(vec4f(xv[r / 4u][r % 4u]), sv[j], o[r * RJ + j]); }
              }
            }
          }
        }
      }
    }
  } else if (EXTRA == 3u) {
    // @unroll
    for (var r = 0u; r < RI; r++) {
      // @unroll
      for (var j = 0u; j < RJ; j++) {
        let f = column0 + 4u * (tx + TX * j);
        let loads = ty + TY * r < rows && f < p.columns;
        let row = xRow + select(0u, (ty + TY * r) * step, loads);
        av[r * RJ + j] = auxFour(row * p.columns + select(0u, f, loads), p.columns - f);
      }
    }
  }

  // U and c.
  // @unroll
  for (var j = 0u; j < RJ; j++) {
    let f = min(column0 + 4u * (tx + TX * j), (p.columns + 3u) / 4u * 4u - 4u);
    var uIn = slots[(base + p.atU + f) / 4u];
    if (inside) { uIn += slots[(local + p.atU + f) / 4u]; }
    // @unroll
    for (var r = 0u; r < RI; r++) { o[r * RJ + j] = fma(vec4f(alpha[ty + TY * r]), uIn, o[r * RJ + j]); }
  }
  if (EXTRA != 0u) {
    var count = slots[(base + p.atC) / 4u].x;
    if (inside) { count += slots[(local + p.atC) / 4u].x; }
    if (tx == 0u) {
      // @unroll
      for (var r = 0u; r < RI; r++) { g[r / 4u][r % 4u] += count * alpha[ty + TY * r]; }
    }
    workgroupBarrier();
    if (EXTRA == 3u) {
      // @unroll
      for (var r = 0u; r < R4; r++) { sums.x += dot(g[r], vec4f(1.0)); }
    } else {
      // @unroll
      for (var r = 0u; r < R4; r++) { tile[tx * C4 + ty * R4 + r] = g[r]; }
      workgroupBarrier();
      for (var e = t; e < C4; e += NT) {
        var sum = tile[e];
        for (var i = 1u; i < TX; i++) { sum += tile[i * C4 + e]; }
        whole[e] = sum;
      }
      workgroupBarrier();
      // @unroll
      for (var r = 0u; r < R4; r++) { g[r] = whole[ty * R4 + r]; }
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
        let sum = g[r / 4u][r % 4u];
        if (EXTRA == 1u) { scale /= sum; }
        if (tx == 0u && group.z == 0u) {
          if (EXTRA == 2u && ACC == 1u) { extra[row] += sum; } else { extra[row] = sum; }
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

  if (EXTRA == 3u) {
    tile[t] = vec4f(sums, 0.0, 0.0);
    workgroupBarrier();
    if (t == 0u) {
      var total = vec2f();
      for (var i = 0u; i < NT; i++) { total += tile[i].xy; }
      // Every tile of columns has the same G.
      if (group.z > 0u) { total.x = 0.0; }
      let to = p.sumsAt + (group.z * groups.y + group.y) * groups.x + group.x;
      extra[2u * to] = total.x;
      extra[2u * to + 1u] = total.y;
    }
  }
}
