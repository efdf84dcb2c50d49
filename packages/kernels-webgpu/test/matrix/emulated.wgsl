// units.wgsl without matrix units: an invocation holds a row of a left tile, and eight columns of half a row of a sum.
alias Left = mat4x4f;
alias Sum = mat2x4f;
var<private> laneOf: u32;

fn half(block: u32, at: u32) -> f32 { return unpack2x16float(tile[block][at / 8u][(at / 2u) % 4u])[at % 2u]; }
fn leftAt(block: u32, at: u32) -> Left {
  var a: Left;
  for (var k = 0u; k < 16u; k++) { a[k / 4u][k % 4u] = half(block, 8u * (at + laneOf / 2u * STRIDE) + k); }
  return a;
}
fn addFrom(high: Left, low: Left, block: u32, at: u32, row: u32, column: u32, sum: Sum) -> Sum {
  var a = high;
  var b = low;
  var c = sum;
  for (var e = 0u; e < 128u; e++) {
    let k = e / 8u;
    let j = e % 8u;
    let place = at + k * row + (8u * (laneOf % 2u) + j) * column;
    let right = half(block, place);
    var term = a[k / 4u][k % 4u] * right;
    if (PARTS == 2u) { term += a[k / 4u][k % 4u] * half(PART + block, place) + b[k / 4u][k % 4u] * right; }
    c[j / 4u][j % 4u] += term;
  }
  return c;
}
fn add(high: Left, low: Left, block: u32, at: u32, sum: Sum) -> Sum { return addFrom(high, low, block, 8u * at, 8u * STRIDE, 1u, sum); }
fn addTurned(high: Left, low: Left, block: u32, at: u32, sum: Sum) -> Sum { return addFrom(high, low, block, 8u * at, 1u, 8u * STRIDE, sum); }
fn storeSum(block: u32, sum: Sum) {
  let to = (laneOf / 2u) * STRIDE + 2u * (laneOf % 2u);
  tile[block][to] = bitcast<vec4u>(sum[0]);
  tile[block][to + 1u] = bitcast<vec4u>(sum[1]);
}
fn scaled(sum: Sum, by: f32) -> Sum { return by * sum; }

fn raise(slot: u32, top: vec4f) { atomicMax(&tops[slot], bitcast<u32>(max(max(top.x, top.y), max(top.z, top.w)))); }
