// Products of 16 x 16 tiles on matrix units: halves times halves, float32 sums. Tiles begin at a block and a place in it, a constant.
alias Left = subgroup_matrix_left<f16, 16, 16>;
alias Right = subgroup_matrix_right<f16, 16, 16>;
alias Sum = subgroup_matrix_result<f32, 16, 16>;

fn leftAt(block: u32, at: u32) -> Left { return subgroupMatrixLoad<Left, row_major>(&tile[block], at, STRIDE); }

// sum + left right, with the low parts of both where numbers have two. `right` lies by rows or (turned) by columns.
fn add(high: Left, low: Left, block: u32, at: u32, sum: Sum) -> Sum {
  let right = subgroupMatrixLoad<Right, row_major>(&tile[block], at, STRIDE);
  var c = sum;
  if (PARTS == 2u) {
    c = subgroupMatrixMultiplyAccumulate(high, subgroupMatrixLoad<Right, row_major>(&tile[PART + block], at, STRIDE), c);
    c = subgroupMatrixMultiplyAccumulate(low, right, c);
  }
  return subgroupMatrixMultiplyAccumulate(high, right, c);
}
fn addTurned(high: Left, low: Left, block: u32, at: u32, sum: Sum) -> Sum {
  let right = subgroupMatrixLoad<Right, col_major>(&tile[block], at, STRIDE);
  var c = sum;
  if (PARTS == 2u) {
    c = subgroupMatrixMultiplyAccumulate(high, subgroupMatrixLoad<Right, col_major>(&tile[PART + block], at, STRIDE), c);
    c = subgroupMatrixMultiplyAccumulate(low, right, c);
  }
  return subgroupMatrixMultiplyAccumulate(high, right, c);
}

fn storeSum(block: u32, sum: Sum) { subgroupMatrixStore<row_major>(&tile[block], 0u, sum, STRIDE); }
fn scaled(sum: Sum, by: f32) -> Sum { return subgroupMatrixScalarMultiply(sum, by); }

fn raise(slot: u32, top: vec4f) {
  let most = subgroupMax(max(max(top.x, top.y), max(top.z, top.w)));
  if (subgroupElect()) { atomicMax(&tops[slot], bitcast<u32>(most)); }
}
