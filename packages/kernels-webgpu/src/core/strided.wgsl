// out[i] = x[Σ index·stride]: broadcast and transpose. Bits are copied, whatever they mean.
struct Params { count: u32, rank: u32, extents: array<vec4u, 2>, strides: array<vec4u, 2> }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> out: array<u32>;
@group(0) @binding(2) var<storage, read> x: array<u32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) t: u32) {
  let at = (group.y * groups.x + group.x) * 256u + t;
  if (at >= p.count) { return; }
  var rest = at;
  var source = 0u;
  for (var axis = p.rank; axis > 0u; axis--) {
    let a = axis - 1u;
    let extent = p.extents[a / 4u][a % 4u];
    source += (rest % extent) * p.strides[a / 4u][a % 4u];
    rest /= extent;
  }
  out[at] = x[source];
}
