// The one primitive, T, for a run of tokens; a workgroup has a chunk of C rows (x), a head (y) and a tile of 4 TV4 columns (z):
//   out_i = Σ_{n visible from i} P_in z_n        P_in = α_i β_n + x_i · y_n        G_i = Σ_{n visible from i} P_in ω_n
// (math.md: T(x, y, z) of the augmented rows [x, α], [y, β], [z, ω]). What the chunk sees before itself comes as the state S = Σ y zᵀ,
// U = Σ β z, Z = Σ ω y, c = Σ β ω: what its segment began with plus what the segment's former chunks added (states.wgsl). So chunks are
// independent: out = [x P] [S; z] is a product of tiles, by panels of KP features, then of KZ keys. Without CAUSAL every row sees the
// last state alone.
//
// A panel holds, by feature, x, y and S side by side, rows of x and y in the order of their invocations; then, by key, Pᵀ and z. So
// every product reads rows and columns four at a time, at places that are constant but for where an invocation begins. An invocation
// has the rows ty + TY r and the keys tx + TX n: what is above the diagonal is known when the shader is made, and left out. EXTRA: 0 no
// G; 1 no G, and out, a gradient by rows of aux that were brought to length radius, is turned into one by aux itself (all columns in one
// tile); 2 out is divided by G, which is written; 3 G is written (ACC: added); 4 Σ G and Σ aux · out are summed. XCH: S is stored transposed.
// MANY: out and G are sums over several parts of f, each with planes of factors and a region of slots of its own.
//
// Loads run one panel ahead, and are unconditional: a load under a condition leaves a copy of what it loaded behind, and the copy waits
// for the load where it stands. Hence the last panel by itself, and a slot of zeros for chunks that no other of their segment precedes.
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
const ROW = 2u * C4 + TV4 + 1u;       // odd, against bank conflicts
const DEEP = max(KP, KZ);
const LZ = KZ * TV4 / NT;             // vec4s of z that an invocation loads

var<workgroup> panel: array<array<vec4f, ROW>, DEEP>;
var<workgroup> zState: array<f32, KP>;
var<workgroup> alpha: array<f32, C>;
var<workgroup> beta: array<f32, C>;
var<workgroup> omega: array<f32, C>;
var<workgroup> whole: array<vec4f, C4>;

@compute @workgroup_size(TY * TX)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) t: u32) {
  // @registers o pv xv yv sv g fz sz az av us ul so brought
  let place = placeOf(t, TY, TX);
  let ty = place.x;
  let tx = place.y;
  let pair = group.y;
  let at = group.x * C;
  let rows = min(C, p.length - at);
  let column0 = 4u * TV4 * group.z;
  let segment = at / p.segment;
  let before = (at % p.segment) / C;   // chunks of this segment before this one
  let base0 = (pair * (p.segments + 1u) + select(p.segments, segment, CAUSAL == 1u)) * p.slot;
  // The slot before the locals is zero.
  let inside = CAUSAL == 1u && before > 0u;
  let local0 = p.locals + select(0u, (pair * p.segments + segment) * (p.segment / C - 1u) + before, inside) * p.slot - p.slot;
  let step = select(p.heads, 0u - p.heads, p.reverse == 1u);   // to the next row of this head; wraps
  let xRow = rowOf(0u, pair, at);
  let yRow = rowOf(1u, pair, at);
  let panels = (p.features + KP - 1u) / KP;

  // Where loads begin. Invocations take positions in a panel; a position's row is the one its reader has there. Past the last row they
  // load the first, which then counts 0 times.
  // @place places
  var az: array<u32, LZ>;
  // @unroll
  for (var l = 0u; l < LZ; l++) { az[l] = (yRow + (t / TV4 + l * (NT / TV4)) * step) * p.columns + column0 + 4u * (t % TV4); }
  let stepZ = KZ * step * p.columns;
  // A panel of x, y and S.
  // @block fetch
  {
    // @place fetchPanel
    if (EXTRA > 1u) {
      let f = min(KP * fetched + t % KP, p.features - 1u);
      fetchedZ = vec2f(slots[(base + p.atZ + f) / 4u][f % 4u], slots[(local + p.atZ + f) / 4u][f % 4u]);
    }
  }
  // @end
  // A panel of z.
  // @block fetchKeys
  {
    // @unroll
    for (var l = 0u; l < LZ; l++) {
      let n = KZ * fetched + t / TV4 + l * (NT / TV4);
      fz[l] = zFour(az[l] + select(0u, stepZ * fetched, n < rows), p.columns - column0 - 4u * (t % TV4));
      if ((PLANES & 16u) != 0u) { sz[l] = factors[p.fz.y + part * p.stepZ + yRow + select(0u, n * step, n < rows)]; }
    }
  }
  // @end
  var o: array<vec4f, RI * RJ>;
  var g: array<vec4f, R4>;
  var so: array<f32, RI>;
  var brought: array<f32, RI>;
  var av: array<vec4f, RI * RJ>;
  // @place eachPart
  {
    let base = base0 + part * p.region;
    let local = local0 + part * p.region;
    // @place registers
    var fz: array<vec4f, LZ>;
    var sz: array<f32, LZ>;
    var fetchedZ = vec2f();
    var fetched = 0u;
    // @place fetch
    let scaleX = factors[p.fx.x];
    let scaleY = factors[p.fy.x];
    let scaleZ = factors[p.fz.x];
    let scaleO = factors[p.fo.x];
    // @place scales
    // @unroll
    for (var l = 0u; l < LZ; l++) { sz[l] = 1.0; }
    // α, β and ω of row t (C <= NT), all three under way at once.
    let own = select(0u, t * step, t < rows);
    var found = vec3f(factors[p.fAlpha.x], 0.0, 0.0);
    if ((PLANES & 2u) != 0u) { found.x *= factors[p.fAlpha.y + part * p.stepAlpha + xRow + own]; }
    if (CAUSAL == 1u) {
      found.y = factors[p.fBeta.x];
      if ((PLANES & 8u) != 0u) { found.y *= factors[p.fBeta.y + yRow + own]; }
      if (EXTRA > 1u) {
        found.z = factors[p.fOmega.x];
        if ((PLANES & 32u) != 0u) { found.z *= factors[p.fOmega.y + yRow + own]; }
      }
    }
    if (t < C) {
      found = select(vec3f(), found, t < rows);
      alpha[t] = found.x;
      beta[t] = found.y;
      omega[t] = found.z;
    }

    var pv: array<vec4f, R4 * RN>;
    // Not all compilers make what a loop declares zero each time.
    // @unroll
    for (var n = 0u; n < R4 * RN; n++) { pv[n] = vec4f(); }
    // x times [y S], panel after panel.
    // @block fill
      workgroupBarrier();
      // @place fillPanel
      if (EXTRA > 1u && t < KP) { zState[t] = fetchedZ.x + fetchedZ.y; }
      workgroupBarrier();
    // @end
    // @block multiply
      // @unroll
      for (var k = 0u; k < KP; k++) {
        var xv: array<vec4f, R4>;
        var yv: array<vec4f, N4>;
        var sv: array<vec4f, RJ>;
        // @unroll
        for (var r = 0u; r < R4; r++) { xv[r] = panel[k][ty * R4 + r]; }
        // @unroll
        for (var j = 0u; j < RJ; j++) { sv[j] = panel[k][2u * C4 + tx + TX * j]; }
        if (CAUSAL == 1u) {
          // @unroll
          for (var n = 0u; n < N4; n++) { yv[n] = panel[k][C4 + tx * N4 + n]; }
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
      if (EXTRA > 1u) {
        // x times Z, in shares.
        // @unroll
        for (var e = 0u; e < (KP + TX - 1u) / TX; e++) {
          let k = tx + TX * e;
          if (KP % TX == 0u || k < KP) {
            // @unroll
            for (var r = 0u; r < R4; r++) { g[r] += zState[k] * panel[k][ty * R4 + r]; }
          }
        }
      }
    // @end
    for (var at0 = 0u; at0 + 1u < panels; at0++) {
      // @place fill
      fetched = at0 + 1u;
      // @place fetch
      // @place multiply
    }
    let at0 = panels - 1u;
    // @place fill
    fetched = 0u;
    if (CAUSAL == 1u) {
      // @place fetchKeys
    }
    // @place multiply

    // What the end needs: on its way while P meets z.
    var us: array<vec4f, RJ>;
    var ul: array<vec4f, RJ>;
    var count = vec2f();
    // @unroll
    for (var j = 0u; j < RJ; j++) {
      let f = min(column0 + 4u * (tx + TX * j), (p.columns + 3u) / 4u * 4u - 4u);
      us[j] = slots[(base + p.atU + f) / 4u];
      ul[j] = slots[(local + p.atU + f) / 4u];
    }
    if (EXTRA > 1u) {
      count = vec2f(slots[(base + p.atC) / 4u].x, slots[(local + p.atC) / 4u].x);
    }
    // @unroll
    for (var r = 0u; r < RI; r++) {
      let row = xRow + select(0u, (ty + TY * r) * step, ty + TY * r < rows);
      so[r] = scaleO;
      if ((PLANES & 64u) != 0u) { so[r] *= factors[p.fo.y + row]; }
      if (EXTRA == 1u) { brought[r] = factors[p.lengths + row]; }
    }
    // @block fetchAux
    {
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
    // @end
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
        if (EXTRA > 1u) {
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
          for (var r = 0u; r < R4; r++) { panel[n * TX + tx][ty * R4 + r] = pv[(b * NB + n) * R4 + r]; }
        }
        // @unroll
        for (var l = 0u; l < LZ; l++) {
          let n = (t + l * NT) / TV4;
          let j = (t + l * NT) % TV4;
          let some = KZ * b + n < rows && (FULL == 1u || column0 + 4u * j < p.columns);
          panel[n][C4 + j] = select(vec4f(), (scaleZ * sz[l]) * fz[l], some);
        }
        workgroupBarrier();
        fetched = b + 1u;
        if (b + 1u < C / KZ) {
          // @place fetchKeys
        } else if (EXTRA == 4u || EXTRA == 1u) {
          // @place fetchAux
        }
        // @unroll
        for (var k = 0u; k < KZ; k++) {
          var xv: array<vec4f, R4>;
          var sv: array<vec4f, RJ>;
          // @unroll
          for (var r = 0u; r < R4; r++) { xv[r] = panel[k][ty * R4 + r]; }
          // @unroll
          for (var j = 0u; j < RJ; j++) { sv[j] = panel[k][C4 + tx + TX * j]; }
          // @unroll
          for (var r = 0u; r < RI; r++) {
            // @unroll
            for (var j = 0u; j < RJ; j++) {
              if (TY * (r + 1u) > TX * (b * NB + k / TX)) { o[r * RJ + j] = fma(vec4f(xv[r / 4u][r % 4u]), sv[j], o[r * RJ + j]); }
            }
          }
        }
      }
    } else if (EXTRA == 4u || EXTRA == 1u) {
      // @place fetchAux
    }

    // U and c.
    // @unroll
    for (var j = 0u; j < RJ; j++) {
      let uIn = us[j] + ul[j];
      // @unroll
      for (var r = 0u; r < RI; r++) { o[r * RJ + j] = fma(vec4f(alpha[ty + TY * r]), uIn, o[r * RJ + j]); }
    }
    if (EXTRA > 1u && tx == 0u) {
      // @unroll
      for (var r = 0u; r < RI; r++) { g[r / 4u][r % 4u] += (count.x + count.y) * alpha[ty + TY * r]; }
    }
    // The next part writes where this one may still be read.
    if (MANY == 1u) { workgroupBarrier(); }
  }

  var sums = vec2f();
  if (EXTRA == 1u) {
    // In place of G: out · aux.
    // @unroll
    for (var r = 0u; r < RI; r++) {
      // @unroll
      for (var j = 0u; j < RJ; j++) {
        o[r * RJ + j] *= so[r];
        if (FULL == 1u || column0 + 4u * (tx + TX * j) < p.columns) { g[r / 4u][r % 4u] += dot(av[r * RJ + j], o[r * RJ + j]); }
      }
    }
  }
  if (EXTRA != 0u) {
    workgroupBarrier();
    if (EXTRA == 4u) {
      // @unroll
      for (var r = 0u; r < R4; r++) { sums.x += dot(g[r], vec4f(1.0)); }
    } else {
      // @unroll
      for (var r = 0u; r < R4; r++) { panel[tx][ty * R4 + r] = g[r]; }
      workgroupBarrier();
      for (var e = t; e < C4; e += NT) {
        var sum = vec4f();
        // @unroll
        for (var i = 0u; i < TX; i++) { sum += panel[i][e]; }
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
      var scale = so[r];
      var back = 0.0;
      if (EXTRA == 1u) {
        // (radius / |x|) (d - x (x · d) / |x|²). A vector that counts as zero (1 / |x| = 1e18) has no direction to turn: its gradient is 0.
        let inverse2 = brought[r] * brought[r] * p.inverseRadius2;
        scale = select(0.0, brought[r], inverse2 < 0.99e36);
        back = inverse2 * g[r / 4u][r % 4u];
      }
      if (EXTRA == 2u || EXTRA == 3u) {
        let sum = g[r / 4u][r % 4u];
        if (EXTRA == 2u) { scale /= sum; }
        if (tx == 0u && group.z == 0u) {
          if (EXTRA == 3u && ACC == 1u) { extra[row] += sum; } else { extra[row] = sum; }
        }
      }
      // @unroll
      for (var j = 0u; j < RJ; j++) {
        let f = column0 + 4u * (tx + TX * j);
        if (f < p.columns) {
          let to = row * p.columns + f;
          if (EXTRA == 4u) { sums.y += dot(av[r * RJ + j], o[r * RJ + j]); }
          if (EXTRA == 1u) { o[r * RJ + j] -= back * av[r * RJ + j]; }
          var value = scale * o[r * RJ + j];
          if (ACC == 1u) { value += outFour(to, p.columns - f); }
          outStore(to, p.columns - f, value);
        }
      }
    }
  }

  if (EXTRA == 4u) {
    // Through rows of C4.
    panel[t / C4][t % C4] = vec4f(sums, 0.0, 0.0);
    workgroupBarrier();
    if (t < C4) {
      var sum = vec4f();
      // @unroll
      for (var i = 0u; i < NT / C4; i++) { sum += panel[i][t]; }
      whole[t] = sum;
    }
    workgroupBarrier();
    if (t == 0u) {
      var total = vec2f();
      for (var i = 0u; i < C4; i++) { total += whole[i].xy; }
      // Every tile of columns has the same G.
      if (group.z > 0u) { total.x = 0.0; }
      let to = p.sumsAt + (group.z * groups.y + group.y) * groups.x + group.x;
      extra[2u * to] = total.x;
      extra[2u * to + 1u] = total.y;
    }
  }
}
