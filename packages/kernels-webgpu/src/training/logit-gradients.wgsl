// Logits [rows, words] of the rows from row0 on become weight (softmax - onehot) of their row, in place, and leave its loss. A workgroup has a
// row, and reads it twice: first for its largest and Σ exp(logit - largest), in one go, then to write gradients.
struct Params { rows: u32, words: u32, row0: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> losses: array<f32>;
@group(0) @binding(2) var<storage, read_write> d: array<Unit>;
@group(0) @binding(3) var<storage, read> targets: array<i32>;
@group(0) @binding(4) var<storage, read> weights: array<f32>;
var<workgroup> parts: array<vec2f, LANES>;
var<workgroup> targetLogit: f32;

fn merge(a: vec2f, b: vec2f) -> vec2f {
  let high = max(a.x, b.x);
  return vec2f(high, a.y * exp(a.x - high) + b.y * exp(b.x - high));
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) t: u32) {
  let row = group.y * groups.x + group.x;
  if (row >= p.rows) { return; }
  let base = row * p.words;
  let label = u32(targets[p.row0 + row]);
  if (t == 0u) { targetLogit = 0.0; }   // of a target outside: like a one-hot row of zeros
  workgroupBarrier();
  var found = vec2f(-1.0e30, 0.0);
  for (var column = 4u * t; column < p.words; column += 4u * LANES) {
    let left = p.words - column;
    let v = dFour(base + column, left);
    let some = vec4u(0u, 1u, 2u, 3u) < vec4u(left);
    let least = select(vec4f(-1.0e30), v, some);
    let high = max(found.x, max(max(least.x, least.y), max(least.z, least.w)));
    found = vec2f(high, found.y * exp(found.x - high) + dot(select(vec4f(), exp(v - high), some), vec4f(1.0)));
    if (label - column < 4u) { targetLogit = v[label - column]; }
  }
  parts[t] = found;
  for (var step = LANES / 2u; step > 0u; step /= 2u) {
    workgroupBarrier();
    if (t < step) { parts[t] = merge(parts[t], parts[t + step]); }
  }
  workgroupBarrier();
  let logSum = log(parts[0].y) + parts[0].x;
  if (t == 0u) { losses[p.row0 + row] = logSum - targetLogit; }
  let weight = weights[p.row0 + row];
  for (var column = 4u * t; column < p.words; column += 4u * LANES) {
    let own = vec4u(column, column + 1u, column + 2u, column + 3u) == vec4u(label);
    let v = exp(dFour(base + column, p.words - column) - logSum) - select(vec4f(), vec4f(1.0), own);
    dStore(base + column, p.words - column, weight * v);
  }
}
