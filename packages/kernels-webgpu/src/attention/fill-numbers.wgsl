// How a panel of chunk.wgsl is filled, number by number: an invocation loads four features of a row and stores each in its row of the panel.
// Two neighbours have eight features of the same row, so that what a subgroup stores at a time goes to all banks.
// Only for devices that leave the rest of a vec4 alone then: see device.ts.
const LX = C * KP4 / NT;              // vec4s that an invocation loads of x (and of y), and of S
const LS = KP * TV4 / NT;

// @registers fx fy fs fl sx sy ax ay ss
// @block places
  var ax: array<u32, LX>;
  var ay: array<u32, LX>;
  var ss: array<u32, LS>;
  // @unroll
  for (var l = 0u; l < LX; l++) {
    let e = t + l * NT;
    let position = e / 2u % C;
    let f = 4u * (e % 2u + e / (2u * C) * 2u);
    let i = position / RI + TY * (position % RI);
    let n = position / RN + TX * (position % RN);
    ax[l] = (xRow + select(0u, i * step, i < rows)) * p.features + f;
    ay[l] = (yRow + select(0u, n * step, n < rows)) * p.features + f;
  }
  // @unroll
  for (var l = 0u; l < LS; l++) {
    let e = t + l * NT;
    let f = 4u * (e % 2u + e / (8u * TV4) * 2u);
    let j = e / 2u % (4u * TV4);
    ss[l] = select((e / TV4) * p.strideS + column0 + 4u * (e % TV4), (column0 + j) * p.strideS + f, XCH == 1u) / 4u;
  }
  let stepS = select(KP * p.strideS, KP, XCH == 1u) / 4u;
// @end
// @block registers
  var fx: array<vec4f, LX>;
  var fy: array<vec4f, LX>;
  var fs: array<vec4f, LS>;
  var fl: array<vec4f, LS>;
// @end
// @block fetchPanel
    // @unroll
    for (var l = 0u; l < LX; l++) {
      let e = t + l * NT;
      let left = p.features - KP * fetched - 4u * (e % 2u + e / (2u * C) * 2u);
      fx[l] = xFour(ax[l] + KP * fetched, left);
      if (CAUSAL == 1u) { fy[l] = yFour(ay[l] + KP * fetched, left); }
    }
    // @unroll
    for (var l = 0u; l < LS; l++) {
      fs[l] = slots[base / 4u + ss[l] + stepS * fetched];
      if (CAUSAL == 1u) { fl[l] = slots[local / 4u + ss[l] + stepS * fetched]; }
    }
// @end
// @block scales
  var sx: array<f32, LX>;
  var sy: array<f32, LX>;
  // @unroll
  for (var l = 0u; l < LX; l++) {
    let position = (t + l * NT) / 2u % C;
    let i = position / RI + TY * (position % RI);
    let n = position / RN + TX * (position % RN);
    sx[l] = select(0.0, scaleX, i < rows);
    sy[l] = select(0.0, scaleY, n < rows);
    if ((PLANES & 1u) != 0u) { sx[l] *= factors[p.fx.y + part * p.stepX + xRow + select(0u, i * step, i < rows)]; }
    if (CAUSAL == 1u && (PLANES & 4u) != 0u) { sy[l] *= factors[p.fy.y + part * p.stepY + yRow + select(0u, n * step, n < rows)]; }
  }
// @end
// @block fillPanel
    // @unroll
    for (var l = 0u; l < LX; l++) {
      let e = t + l * NT;
      let position = e / 2u % C;
      let f = 4u * (e % 2u + e / (2u * C) * 2u);
      let some = FULL == 1u || KP * at0 + f < p.features;
      let xIn = select(vec4f(), sx[l] * fx[l], some);
      // @unroll
      for (var i = 0u; i < 4u; i++) { panel[f + i][position / 4u][position % 4u] = xIn[i]; }
      if (CAUSAL == 1u) {
        let yIn = select(vec4f(), sy[l] * fy[l], some);
        // @unroll
        for (var i = 0u; i < 4u; i++) { panel[f + i][C4 + position / 4u][position % 4u] = yIn[i]; }
      }
    }
    // @unroll
    for (var l = 0u; l < LS; l++) {
      let e = t + l * NT;
      let f = select(e / TV4, 4u * (e % 2u + e / (8u * TV4) * 2u), XCH == 1u);
      let j = select(4u * (e % TV4), e / 2u % (4u * TV4), XCH == 1u);
      let sIn = select(vec4f(), fs[l] + fl[l], FULL == 1u || (KP * at0 + f < p.features && column0 + j < p.columns));
      if (XCH == 1u) {
        // @unroll
        for (var i = 0u; i < 4u; i++) { panel[f + i][2u * C4 + j / 4u][j % 4u] = sIn[i]; }
      } else {
        panel[f][2u * C4 + j / 4u] = sIn;
      }
    }
// @end
