// What product.wgsl makes on matrix units; a place is a block and a constant in it.
alias Left = subgroup_matrix_left<f16, 16, 16>;
alias Right = subgroup_matrix_right<f16, 16, 16>;
alias Sum = subgroup_matrix_result<f32, 16, 16>;

fn leftAt(block: u32, at: u32) -> Left {
  if (TA == 1u) { return subgroupMatrixLoad<Left, col_major>(&aTile[block], at, SA); }
  return subgroupMatrixLoad<Left, row_major>(&aTile[block], at, SA);
}
fn rightAt(block: u32, at: u32) -> Right {
  if (TB == 1u) { return subgroupMatrixLoad<Right, col_major>(&bTile[block], at, SB); }
  return subgroupMatrixLoad<Right, row_major>(&bTile[block], at, SB);
}
fn multiply(left: Left, right: Right, sum: Sum) -> Sum { return subgroupMatrixMultiplyAccumulate(left, right, sum); }
fn storeSum(subgroup: u32, at: u32, sum: Sum) {
  if (subgroup < WM) {
    subgroupMatrixStore<row_major>(&aTile[subgroup], at, sum, FLOATS);
  } else {
    subgroupMatrixStore<row_major>(&bTile[subgroup - WM], at, sum, FLOATS);
  }
}
