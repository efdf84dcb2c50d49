// Logits [rows, words] of the rows from row0 on become weight (softmax - onehot) of each row, in place; four words an invocation.
struct Params { rows: u32, words: u32, fours: u32, row0: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> d: array<Unit>;
@group(0) @binding(2) var<storage, read> logSum: array<f32>;
@group(0) @binding(3) var<storage, read> targets: array<i32>;
@group(0) @binding(4) var<storage, read> weights: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) t: u32) {
  let i = (group.y * groups.x + group.x) * 256u + t;
  let row = i / p.fours;
  if (row >= p.rows) { return; }
  let column = 4u * (i % p.fours);
  let at = row * p.words + column;
  let known = p.row0 + row;
  let own = vec4u(column, column + 1u, column + 2u, column + 3u) == vec4u(u32(targets[known]));
  let probability = exp(dFour(at, p.words - column) - logSum[known]);
  dStore(at, p.words - column, weights[known] * (probability - select(vec4f(), vec4f(1.0), own)));
}
