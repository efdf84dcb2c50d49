// Four numbers an invocation, from float16 to float32: exactly, on every device (unpack2x16float may take subnormals for zeros).
struct Params { fours: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> y: array<vec4u>;
@group(0) @binding(2) var<storage, read> x: array<vec2u>;

fn floatOf(bits: u32) -> u32 {
  let sign = (bits & 0x8000u) << 16u;
  let magnitude = bits & 0x7fffu;
  if (magnitude >= 0x7c00u) { return sign | ((magnitude << 13u) + (224u << 23u)); }
  if (magnitude >= 0x400u) { return sign | ((magnitude << 13u) + (112u << 23u)); }
  return sign | bitcast<u32>(f32(magnitude) * 0x1p-24f);
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) t: u32) {
  let at = (group.y * groups.x + group.x) * 256u + t;
  if (at >= p.fours) { return; }
  let v = x[at];
  y[at] = vec4u(floatOf(v.x & 0xffffu), floatOf(v.x >> 16u), floatOf(v.y & 0xffffu), floatOf(v.y >> 16u));
}
