// units.wgsl without matrix units: an invocation holds a row of a left tile, and eight columns of half a row of a sum.
alias Left = mat4x4f;
alias Sum = mat2x4f;
var<private> laneOf: u32;

fn half(at: u32) -> f32 { return unpack2x16float(tile[at / 8u][(at / 2u) % 4u])[at % 2u]; }
fn leftFrom(at: u32, step: u32) -> Left {
  var a: Left;
  for (var k = 0u; k < 16u; k++) { a[k / 4u][k % 4u] = half(at + k * step); }
  return a;
}
fn leftAt(at: u32) -> Left { return leftFrom(8u * (at + (laneOf / 2u) * HALVES), 1u); }
fn leftTurnedAt(at: u32) -> Left { return leftFrom(8u * at + laneOf / 2u, 8u * HALVES); }
fn addFrom(high: Left, low: Left, at: u32, row: u32, column: u32, sum: Sum) -> Sum {
  var a = high;
  var b = low;
  var c = sum;
  for (var e = 0u; e < 128u; e++) {
    let k = e / 8u;
    let j = e % 8u;
    let place = at + k * row + (8u * (laneOf % 2u) + j) * column;
    let right = half(place);
    var term = a[k / 4u][k % 4u] * right;
    if (PARTS == 2u) { term += a[k / 4u][k % 4u] * half(8u * PART + place) + b[k / 4u][k % 4u] * right; }
    c[j / 4u][j % 4u] += term;
  }
  return c;
}
fn add(high: Left, low: Left, at: u32, sum: Sum) -> Sum { return addFrom(high, low, 8u * at, 8u * HALVES, 1u, sum); }
fn addTurned(high: Left, low: Left, at: u32, sum: Sum) -> Sum { return addFrom(high, low, 8u * at, 1u, 8u * HALVES, sum); }
fn storeSum(at: u32, sum: Sum) {
  let to = at + (laneOf / 2u) * FLOATS + 2u * (laneOf % 2u);
  tile[to] = bitcast<vec4u>(sum[0]);
  tile[to + 1u] = bitcast<vec4u>(sum[1]);
}
fn scaled(sum: Sum, by: f32) -> Sum { return by * sum; }

fn raise(slot: u32, top: vec4f) { atomicMax(&tops[slot], bitcast<u32>(max(max(top.x, top.y), max(top.z, top.w)))); }
