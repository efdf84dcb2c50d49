// dq (or dk) from the sums that chunk.wgsl left: d̂ = w1 first + 2 w2 second with w = (b, c) for queries, 1 for keys, then through
// q̂ = radius q / |q|: dx = (s)(d̂ - q̂ (q̂ · d̂) / radius²), s the row's factor. SUMS: db = Σ q̂ · first and dc = Σ q̂ · second, a number
// each a workgroup.
struct Params { rows: u32, width: u32, plane: u32, w1: u32, w2: u32, inverseRadius2: f32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> first: array<Unit>;
@group(0) @binding(2) var<storage, read> second: array<Unit>;
@group(0) @binding(3) var<storage, read> x: array<Unit>;
@group(0) @binding(4) var<storage, read> factors: array<f32>;
@group(0) @binding(5) var<storage, read_write> sums: array<f32>;
var<workgroup> parts: array<vec2f, 256>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) t: u32) {
  let row = (group.y * groups.x + group.x) * (256u / LANES) + t / LANES;
  let lane = t % LANES;
  let inside = row < p.rows;
  var scale = 1.0;
  if (inside && p.plane != 0u) { scale = factors[p.plane + row]; }
  // A vector that counts as zero (1 / |x| = 1e18) has no direction to turn: its gradient is 0.
  let turns = select(0.0, scale, scale * scale * p.inverseRadius2 < 0.99e36);
  let w1 = factors[p.w1];
  let w2 = 2.0 * factors[p.w2];
  var along = vec2f();
  if (inside) {
    for (var i = 4u * lane; i < p.width; i += 4u * LANES) {
      let at = row * p.width + i;
      let xIn = xFour(at, p.width - i);
      along.x += dot(xIn, firstFour(at, p.width - i));
      if (ORDER == 2u) { along.y += dot(xIn, secondFour(at, p.width - i)); }
    }
  }
  parts[t] = scale * along;
  for (var step = LANES / 2u; step > 0u; step /= 2u) {
    workgroupBarrier();
    if (lane < step) { parts[t] += parts[t + step]; }
  }
  workgroupBarrier();
  let both = parts[t - lane];
  if (inside) {
    let back = (w1 * both.x + w2 * both.y) * p.inverseRadius2;
    for (var i = 4u * lane; i < p.width; i += 4u * LANES) {
      let at = row * p.width + i;
      let left = p.width - i;
      var d = w1 * firstFour(at, left);
      if (ORDER == 2u) { d += w2 * secondFour(at, left); }
      firstStore(at, left, turns * (d - scale * back * xFour(at, left)));
    }
  }
  if (SUMS == 1u) {
    workgroupBarrier();
    if (t == 0u) {
      var total = vec2f();
      for (var i = 0u; i < 256u; i += LANES) { total += parts[i]; }
      let to = group.y * groups.x + group.x;
      sums[2u * to] = total.x;
      sums[2u * to + 1u] = total.y;
    }
  }
}
