// Softmax cross entropy of logits [rows, width], one workgroup a row. OP 0: loss and log Σ exp, in one pass over the row with a running
// maximum. OP 1: dlogits = dy (softmax - onehot).
struct Params { rows: u32, width: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;      // loss; or dlogits
@group(0) @binding(2) var<storage, read_write> logSum: array<f32>;
@group(0) @binding(3) var<storage, read> logits: array<f32>;
@group(0) @binding(4) var<storage, read> targets: array<i32>;
@group(0) @binding(5) var<storage, read> dy: array<f32>;
var<workgroup> parts: array<vec2f, 256>;   // maximum, Σ exp(x - maximum)

fn merge(a: vec2f, b: vec2f) -> vec2f {
  let high = max(a.x, b.x);
  return vec2f(high, a.y * exp(a.x - high) + b.y * exp(b.x - high));
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) t: u32) {
  let row = group.y * groups.x + group.x;
  if (row >= p.rows) { return; }
  let base = row * p.width;
  let label = targets[row];
  if (OP == 1u) {
    for (var i = t; i < p.width; i += 256u) {
      let probability = exp(logits[base + i] - logSum[row]);
      out[base + i] = dy[row] * (probability - select(0.0, 1.0, i32(i) == label));
    }
  } else {
    var found = vec2f(-3.0e38, 0.0);
    for (var i = t; i < p.width; i += 256u) { found = merge(found, vec2f(logits[base + i], 1.0)); }
    parts[t] = found;
    for (var step = 128u; step > 0u; step /= 2u) {
      workgroupBarrier();
      if (t < step) { parts[t] = merge(parts[t], parts[t + step]); }
    }
    if (t == 0u) {
      let whole = log(parts[0].y) + parts[0].x;
      logSum[row] = whole;
      // A target outside has no logit: like a one-hot row of zeros.
      var own = 0.0;
      if (label >= 0 && label < i32(p.width)) { own = logits[base + u32(label)]; }
      out[row] = whole - own;
    }
  }
}
