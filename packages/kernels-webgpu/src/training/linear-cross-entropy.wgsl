// Loss and log Σ exp of each row of logits x weightᵀ, from what each tile of words found: [tiles, rows] of (largest, Σ exp(logit - largest)).
// The rows are those from row0 on. 32 rows a workgroup, eight invocations a row.
struct Params { rows: u32, width: u32, words: u32, tiles: u32, row0: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> loss: array<f32>;
@group(0) @binding(2) var<storage, read_write> logSum: array<f32>;
@group(0) @binding(3) var<storage, read> stats: array<vec2f>;
@group(0) @binding(4) var<storage, read> x: array<f32>;
@group(0) @binding(5) var<storage, read> weight: array<f32>;
@group(0) @binding(6) var<storage, read> targets: array<i32>;
var<workgroup> parts: array<vec3f, 256>;   // largest, Σ exp, part of the target's logit

fn merge(a: vec3f, b: vec3f) -> vec3f {
  let high = max(a.x, b.x);
  return vec3f(high, a.y * exp(a.x - high) + b.y * exp(b.x - high), a.z + b.z);
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) t: u32) {
  let row = (group.y * groups.x + group.x) * 32u + t % 32u;
  let inside = row < p.rows;
  let whole = p.row0 + min(row, p.rows - 1u);
  var found = vec3f(-1.0e30, 0.0, 0.0);
  for (var tile = t / 32u; tile < select(0u, p.tiles, inside); tile += 8u) {
    found = merge(found, vec3f(stats[tile * p.rows + row], 0.0));
  }
  // A target outside has no logit: like a one-hot row of zeros.
  let label = targets[whole];
  let known = inside && label >= 0 && label < i32(p.words);
  for (var i = t / 32u; i < select(0u, p.width, known); i += 8u) {
    found.z += x[whole * p.width + i] * weight[u32(label) * p.width + i];
  }
  parts[t] = found;
  for (var step = 128u; step >= 32u; step /= 2u) {
    workgroupBarrier();
    if (t < step) { parts[t] = merge(parts[t], parts[t + step]); }
  }
  if (t < 32u && inside) {
    let total = log(parts[t].y) + parts[t].x;
    logSum[whole] = total;
    loss[whole] = total - parts[t].z;
  }
}
