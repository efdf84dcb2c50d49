// How a panel of chunk.wgsl is filled, number by number: an invocation loads four features of a row and stores each in its row of the panel.
// Only for devices that leave the rest of a vec4 alone then: see device.ts.
const LX = C * KP4 / NT;              // vec4s that an invocation loads of x (and of y), and of S
const LS = KP * TV4 / NT;

// @registers fx fy fs fl sx sy ax ay ss
// @block places
  var ax: array<u32, LX>;
  var ay: array<u32, LX>;
  var ss: array<u32, LS>;
  let q4 = t % KP4;
  // @unroll
  for (var l = 0u; l < LX; l++) {
    let position = t / KP4 + l * (NT / KP4);
    let i = position / RI + TY * (position % RI);
    let n = position / RN + TX * (position % RN);
    let row = xRow + select(0u, i * step, i < rows);
    let key = yRow + select(0u, n * step, n < rows);
    ax[l] = row * p.features + 4u * q4;
    ay[l] = key * p.features + 4u * q4;
  }
  // @unroll
  for (var l = 0u; l < LS; l++) {
    let e = t + l * NT;
    ss[l] = select((e / TV4) * p.strideS + column0 + 4u * (e % TV4), (column0 + e / KP4) * p.strideS + 4u * (e % KP4), XCH == 1u) / 4u;
  }
  let stepS = select(KP * p.strideS, KP, XCH == 1u) / 4u;
// @end
// @block registers
  var fx: array<vec4f, LX>;
  var fy: array<vec4f, LX>;
  var fs: array<vec4f, LS>;
  var fl: array<vec4f, LS>;
  // @unroll
  for (var l = 0u; l < LS; l++) { fl[l] = vec4f(); }
// @end
// @block fetchPanel
    // @unroll
    for (var l = 0u; l < LX; l++) {
      let left = p.features - KP * fetched - 4u * q4;
      fx[l] = xFour(ax[l] + KP * fetched, left);
      if (CAUSAL == 1u) { fy[l] = yFour(ay[l] + KP * fetched, left); }
    }
    // @unroll
    for (var l = 0u; l < LS; l++) {
      fs[l] = slots[base / 4u + ss[l] + stepS * fetched];
      if (inside) { fl[l] = slots[local / 4u + ss[l] + stepS * fetched]; }
    }
// @end
// @block scales
  var sx: array<f32, LX>;
  var sy: array<f32, LX>;
  // @unroll
  for (var l = 0u; l < LX; l++) {
    let position = t / KP4 + l * (NT / KP4);
    let i = position / RI + TY * (position % RI);
    let n = position / RN + TX * (position % RN);
    sx[l] = select(0.0, scaleX, i < rows);
    sy[l] = select(0.0, scaleY, n < rows);
    if ((PLANES & 1u) != 0u) { sx[l] *= factors[p.fx.y + xRow + select(0u, i * step, i < rows)]; }
    if (CAUSAL == 1u && (PLANES & 4u) != 0u) { sy[l] *= factors[p.fy.y + yRow + select(0u, n * step, n < rows)]; }
  }
// @end
// @block fillPanel
    // @unroll
    for (var l = 0u; l < LX; l++) {
      let position = t / KP4 + l * (NT / KP4);
      let some = FULL == 1u || KP * at0 + 4u * q4 < p.features;
      let xIn = select(vec4f(), sx[l] * fx[l], some);
      // @unroll
      for (var i = 0u; i < 4u; i++) { panel[(4u * q4 + i) / KU][(4u * q4 + i) % KU][position / 4u][position % 4u] = xIn[i]; }
      if (CAUSAL == 1u) {
        let yIn = select(vec4f(), sy[l] * fy[l], some);
        // @unroll
        for (var i = 0u; i < 4u; i++) { panel[(4u * q4 + i) / KU][(4u * q4 + i) % KU][C4 + position / 4u][position % 4u] = yIn[i]; }
      }
    }
    // @unroll
    for (var l = 0u; l < LS; l++) {
      let e = t + l * NT;
      let f = select(e / TV4, 4u * q4, XCH == 1u);
      let j = select(4u * (e % TV4), e / KP4, XCH == 1u);
      let sIn = select(vec4f(), fs[l] + fl[l], FULL == 1u || (KP * at0 + f < p.features && column0 + j < p.columns));
      if (XCH == 1u) {
        // @unroll
        for (var i = 0u; i < 4u; i++) { panel[SK + (f + i) / KU][(f + i) % KU][j / 4u][j % 4u] = sIn[i]; }
      } else {
        panel[SK + f / KU][f % KU][j / 4u] = sIn;
      }
    }
// @end
