// How a panel of chunk.wgsl is filled, by whole vec4s: what stands transposed in it is loaded in blocks of 4 x 4, and turned in registers.
// First the blocks of x, then y's, then with XCH those of S.
const BX = C4 * KP4;
const BS = TV4 * KP4;
const LB = (2u * BX + BS + NT - 1u) / NT;   // blocks of an invocation, and the vec4s it loads of S by rows
const LS = KP * TV4 / NT;

// @registers fb fbl fs fl sb ab ss
// @block places
  var ab: array<u32, LB * 4u>;
  var ss: array<u32, LS>;
  // @unroll
  for (var l = 0u; l < LB; l++) {
    let e = t + l * NT;
    let f = 4u * (e % KP4);
    // @unroll
    for (var k = 0u; k < 4u; k++) {
      if (e < BX) {
        let position = 4u * (e / KP4) + k;
        let i = position / RI + TY * (position % RI);
        ab[l * 4u + k] = (xRow + select(0u, i * step, i < rows)) * p.features + f;
      } else if (e < 2u * BX) {
        let position = 4u * ((e - BX) / KP4) + k;
        let n = position / RN + TX * (position % RN);
        ab[l * 4u + k] = (yRow + select(0u, n * step, n < rows)) * p.features + f;
      } else {
        ab[l * 4u + k] = ((column0 + 4u * ((e - 2u * BX) / KP4) + k) * p.strideS + f) / 4u;
      }
    }
  }
  // @unroll
  for (var l = 0u; l < LS; l++) {
    let e = t + l * NT;
    ss[l] = ((e / TV4) * p.strideS + column0 + 4u * (e % TV4)) / 4u;
  }
// @end
// @block registers
  var fb: array<vec4f, LB * 4u>;
  var fbl: array<vec4f, LB * 4u>;
  var fs: array<vec4f, LS>;
  var fl: array<vec4f, LS>;
// @end
// @block fetchPanel
    // @unroll
    for (var l = 0u; l < LB; l++) {
      let e = t + l * NT;
      let left = p.features - KP * fetched - 4u * (e % KP4);
      if (e < BX) {
        // @unroll
        for (var k = 0u; k < 4u; k++) { fb[l * 4u + k] = xFour(ab[l * 4u + k] + KP * fetched, left); }
      } else if (e < 2u * BX) {
        if (CAUSAL == 1u) {
          // @unroll
          for (var k = 0u; k < 4u; k++) { fb[l * 4u + k] = yFour(ab[l * 4u + k] + KP * fetched, left); }
        }
      } else if (XCH == 1u && e < 2u * BX + BS) {
        // @unroll
        for (var k = 0u; k < 4u; k++) {
          fb[l * 4u + k] = slots[base / 4u + ab[l * 4u + k] + KP4 * fetched];
          if (CAUSAL == 1u) { fbl[l * 4u + k] = slots[local / 4u + ab[l * 4u + k] + KP4 * fetched]; }
        }
      }
    }
    if (XCH == 0u) {
      // @unroll
      for (var l = 0u; l < LS; l++) {
        fs[l] = slots[base / 4u + ss[l] + KP4 * p.strideS * fetched];
        if (CAUSAL == 1u) { fl[l] = slots[local / 4u + ss[l] + KP4 * p.strideS * fetched]; }
      }
    }
// @end
// @block scales
  var sb: array<f32, LB * 4u>;
  // @unroll
  for (var l = 0u; l < LB; l++) {
    let e = t + l * NT;
    // @unroll
    for (var k = 0u; k < 4u; k++) {
      sb[l * 4u + k] = 1.0;
      if (e < BX) {
        let position = 4u * (e / KP4) + k;
        let i = position / RI + TY * (position % RI);
        sb[l * 4u + k] = select(0.0, scaleX, i < rows);
        if ((PLANES & 1u) != 0u) { sb[l * 4u + k] *= factors[p.fx.y + part * p.stepX + xRow + select(0u, i * step, i < rows)]; }
      } else if (e < 2u * BX) {
        let position = 4u * ((e - BX) / KP4) + k;
        let n = position / RN + TX * (position % RN);
        sb[l * 4u + k] = select(0.0, scaleY, n < rows);
        if (CAUSAL == 1u && (PLANES & 4u) != 0u) { sb[l * 4u + k] *= factors[p.fy.y + part * p.stepY + yRow + select(0u, n * step, n < rows)]; }
      }
    }
  }
// @end
// @block fillPanel
    // @unroll
    for (var l = 0u; l < LB; l++) {
      let e = t + l * NT;
      let f = 4u * (e % KP4);
      if (e < 2u * BX) {
        if (e < BX || CAUSAL == 1u) {
          let some = FULL == 1u || KP * at0 + f < p.features;
          let r0 = select(vec4f(), sb[l * 4u] * fb[l * 4u], some);
          let r1 = select(vec4f(), sb[l * 4u + 1u] * fb[l * 4u + 1u], some);
          let r2 = select(vec4f(), sb[l * 4u + 2u] * fb[l * 4u + 2u], some);
          let r3 = select(vec4f(), sb[l * 4u + 3u] * fb[l * 4u + 3u], some);
          // @unroll
          for (var i = 0u; i < 4u; i++) { panel[f + i][e / BX * C4 + e % BX / KP4] = vec4f(r0[i], r1[i], r2[i], r3[i]); }
        }
      } else if (XCH == 1u && e < 2u * BX + BS) {
        let j = (e - 2u * BX) / KP4;
        let some = FULL == 1u || KP * at0 + f < p.features;
        let left = select(4u, p.columns - min(p.columns, column0 + 4u * j), FULL == 0u);
        let r0 = select(vec4f(), fb[l * 4u] + fbl[l * 4u], some && left > 0u);
        let r1 = select(vec4f(), fb[l * 4u + 1u] + fbl[l * 4u + 1u], some && left > 1u);
        let r2 = select(vec4f(), fb[l * 4u + 2u] + fbl[l * 4u + 2u], some && left > 2u);
        let r3 = select(vec4f(), fb[l * 4u + 3u] + fbl[l * 4u + 3u], some && left > 3u);
        // @unroll
        for (var i = 0u; i < 4u; i++) { panel[f + i][2u * C4 + j] = vec4f(r0[i], r1[i], r2[i], r3[i]); }
      }
    }
    if (XCH == 0u) {
      // @unroll
      for (var l = 0u; l < LS; l++) {
        let e = t + l * NT;
        let f = e / TV4;
        let j = e % TV4;
        let some = FULL == 1u || (KP * at0 + f < p.features && column0 + 4u * j < p.columns);
        panel[f][2u * C4 + j] = select(vec4f(), fs[l] + fl[l], some);
      }
    }
// @end
