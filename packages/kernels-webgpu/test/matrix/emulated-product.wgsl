// product-units.wgsl without matrix units: an invocation holds a row of a left tile, and eight columns of half a row of a sum; a right tile is
// where it lies.
alias Left = mat4x4f;
alias Right = vec2u;
alias Sum = mat2x4f;
var<private> laneOf: u32;

fn halfOf(v: vec2u, i: u32) -> f32 { return unpack2x16float(v[i / 2u])[i % 2u]; }
fn leftAt(block: u32, at: u32) -> Left {
  var a: Left;
  let row = laneOf / 2u;
  for (var k = 0u; k < 16u; k++) {
    let place = 4u * at + select(4u * SA * row + k, 4u * SA * k + row, TA == 1u);
    a[k / 4u][k % 4u] = halfOf(aTile[block][place / 4u], place % 4u);
  }
  return a;
}
fn rightAt(block: u32, at: u32) -> Right { return vec2u(block, at); }
fn multiply(left: Left, right: Right, sum: Sum) -> Sum {
  var a = left;
  var c = sum;
  for (var e = 0u; e < 128u; e++) {
    let k = e / 8u;
    let j = e % 8u;
    let column = 8u * (laneOf % 2u) + j;
    let place = 4u * right.y + select(4u * SB * k + column, 4u * SB * column + k, TB == 1u);
    c[j / 4u][j % 4u] += a[k / 4u][k % 4u] * halfOf(bTile[right.x][place / 4u], place % 4u);
  }
  return c;
}
fn storeSum(subgroup: u32, at: u32, sum: Sum) {
  let to = at + laneOf / 2u * FLOATS + 4u * (laneOf % 2u);
  putTwo(subgroup, to, sum[0].xy);
  putTwo(subgroup, to + 1u, sum[0].zw);
  putTwo(subgroup, to + 2u, sum[1].xy);
  putTwo(subgroup, to + 3u, sum[1].zw);
}
