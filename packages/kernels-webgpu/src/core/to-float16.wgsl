// Four numbers an invocation, from float32 to float16: to the nearest, ties to even; infinities from 65,520 on, which is half a step past
// the largest; subnormals in steps of 2^-24; NaN stays NaN. In integers: pack2x16float may make anything of what is too large for it, and
// arithmetic may take subnormals for zeros.
struct Params { fours: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> y: array<vec2u>;
@group(0) @binding(2) var<storage, read> x: array<vec4u>;

fn halfOf(bits: u32) -> u32 {
  let sign = (bits >> 16u) & 0x8000u;
  let magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) { return sign | 0x7e00u; }
  if (magnitude >= 0x477ff000u) { return sign | 0x7c00u; }
  if (magnitude >= 0x38800000u) {
    // 13 bits go; the exponent's bias is 112 less.
    return sign | (((magnitude + 0xfffu + ((magnitude >> 13u) & 1u)) >> 13u) - (112u << 10u));
  }
  // A multiple of 2^-24, from 24 bits in steps of 2^(exponent - 150). Where 25 bits go it is zero, and so is what is smaller still,
  // float32's own subnormals among it, which have no leading one.
  let shift = min(126u - (magnitude >> 23u), 25u);
  let significand = (magnitude & 0x7fffffu) | 0x800000u;
  let whole = significand >> shift;
  let rest = significand - (whole << shift);
  let tie = 1u << (shift - 1u);
  return sign | (whole + select(0u, 1u, rest > tie || (rest == tie && whole % 2u == 1u)));
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) t: u32) {
  let at = (group.y * groups.x + group.x) * 256u + t;
  if (at >= p.fours) { return; }
  let v = x[at];
  y[at] = vec2u(halfOf(v.x) | (halfOf(v.y) << 16u), halfOf(v.z) | (halfOf(v.w) << 16u));
}
