// C = finish(A Bᵀ) for few rows of A, as in decoding: what it takes is reading B once. 32 lanes have four columns, which are rows of B, and go
// along them side by side; then their shares are added, in the same order on every device. ROWS: rows of A, at most 8.
// Declared before this text: product.wgsl, `c` with the ways to store it, and the epilogue.
const LANES = 32u;
const GROUPS = 8u;              // of lanes
var<workgroup> shares: array<array<vec4f, ROWS>, GROUPS * LANES / 2u>;

@compute @workgroup_size(GROUPS * LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) t: u32) {
  // @registers acc
  let lane = t % LANES;
  let own = t / LANES;
  let first = (group.y * groups.x + group.x) * 4u * GROUPS;
  // Past the last column the last is read again.
  let rowsOfB = p.bStart + min(vec4u(first + 4u * own) + vec4u(0u, 1u, 2u, 3u), vec4u(p.n - 1u)) * p.k;
  var acc: array<vec4f, ROWS>;
  for (var i = 4u * lane; i < p.k; i += 4u * LANES) {
    let left = p.k - i;
    let b0 = bFour(rowsOfB.x + i, left);
    let b1 = bFour(rowsOfB.y + i, left);
    let b2 = bFour(rowsOfB.z + i, left);
    let b3 = bFour(rowsOfB.w + i, left);
    // @unroll
    for (var r = 0u; r < ROWS; r++) {
      let x = aFour(p.aStart + r * p.k + i, left);
      acc[r] += vec4f(dot(x, b0), dot(x, b1), dot(x, b2), dot(x, b3));
    }
  }
  // The upper half of the lanes to the lower, whose shares are then added one after the other.
  let at = own * (LANES / 2u) + lane % (LANES / 2u);
  if (lane >= LANES / 2u) {
    // @unroll
    for (var r = 0u; r < ROWS; r++) { shares[at][r] = acc[r]; }
  }
  workgroupBarrier();
  if (lane < LANES / 2u) {
    // @unroll
    for (var r = 0u; r < ROWS; r++) { shares[at][r] += acc[r]; }
  }
  workgroupBarrier();
  if (t < GROUPS * ROWS) {
    let r = t / GROUPS;
    let column = first + 4u * (t % GROUPS);
    if (column < p.n) {
      var sum = vec4f();
      for (var i = 0u; i < LANES / 2u; i++) { sum += shares[(t % GROUPS) * (LANES / 2u) + i][r]; }
      cStore(r * p.n + column, p.n - column, finish(r, p.column0 + column, sum));
    }
  }
}
