// Rotary position embedding of x [B, N, H, D]: feature i turns with feature i + half by the angle of its token, whose cosine and sine
// come from a table [N, half] made in float64 on the host (float32 angles of far tokens would be off).
struct Params { count: u32, tokens: u32, heads: u32, width: u32, half: u32, inverse: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read> turns: array<vec2f>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) t: u32) {
  let at = (group.y * groups.x + group.x) * 256u + t;
  if (at >= p.count) { return; }
  let feature = at % p.width;
  if (feature >= 2u * p.half) {
    y[at] = x[at];
    return;
  }
  let token = (at / p.width / p.heads) % p.tokens;
  let first = feature < p.half;
  let turn = turns[token * p.half + feature % p.half];
  let other = x[select(at - p.half, at + p.half, first)];
  let sine = select(turn.y, -turn.y, first != (p.inverse == 1u));
  y[at] = x[at] * turn.x + other * sine;
}
