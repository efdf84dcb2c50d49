// Philox4x32-10 (Salmon et al. 2011): element i is word i mod 4 of the block with counter (i div 4, 0, stream). NORMAL: Box-Muller
// on words (0, 1) and (2, 3). One block of four draws an invocation.
struct Params { count: u32, key: vec2u, stream: vec2u }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> out: array<vec4f>;

fn mulHigh(x: u32, y: u32) -> u32 {
  let middle = (x >> 16u) * (y & 0xffffu) + (((x & 0xffffu) * (y & 0xffffu)) >> 16u);
  let low = (middle & 0xffffu) + (x & 0xffffu) * (y >> 16u);
  return (x >> 16u) * (y >> 16u) + (middle >> 16u) + (low >> 16u);
}
fn philox(block: u32) -> vec4u {
  var c = vec4u(block, 0u, p.stream);
  var k = p.key;
  for (var round = 0u; round < 10u; round++) {
    c = vec4u(mulHigh(0xcd9e8d57u, c.z) ^ c.y ^ k.x, 0xcd9e8d57u * c.z, mulHigh(0xd2511f53u, c.x) ^ c.w ^ k.y, 0xd2511f53u * c.x);
    k += vec2u(0x9e3779b9u, 0xbb67ae85u);
  }
  return c;
}
fn uniformOf(word: u32) -> f32 { return (f32(word >> 9u) + 0.5) / 8388608.0; }

// log of x in (0, 1), also close to 1, where the built-in's absolute error is too large: 2 atanh((m - 1) / (m + 1)) + e log 2.
fn logOf(x: f32) -> f32 {
  let parts = frexp(x);
  let low = parts.fract < 0.70710678;
  let m = select(parts.fract, 2.0 * parts.fract, low);
  let e = f32(parts.exp - select(0, 1, low));
  let z = (m - 1.0) / (m + 1.0);
  let t = z * z;
  return 2.0 * z * (1.0 + t * (1.0 / 3.0 + t * (0.2 + t * (1.0 / 7.0 + t * (1.0 / 9.0 + t / 11.0))))) + e * 0.69314718056;
}
// (cos, sin) of 2π v for v in (0, 1): reduced to an eighth of a turn, then Taylor polynomials (the built-ins may be off by 2^-11).
fn turn(v: f32) -> vec2f {
  let quarter = round(4.0 * v);
  let x = 6.28318530718 * (v - 0.25 * quarter);
  let t = x * x;
  let s = x * (1.0 + t * (-1.0 / 6.0 + t * (1.0 / 120.0 + t * (-1.0 / 5040.0 + t / 362880.0))));
  let c = 1.0 + t * (-0.5 + t * (1.0 / 24.0 + t * (-1.0 / 720.0 + t * (1.0 / 40320.0 - t / 3628800.0))));
  switch u32(quarter) % 4u {
    case 0u: { return vec2f(c, s); }
    case 1u: { return vec2f(-s, c); }
    case 2u: { return vec2f(-c, -s); }
    default: { return vec2f(s, -c); }
  }
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) t: u32) {
  let at = (group.y * groups.x + group.x) * 256u + t;
  if (at >= p.count) { return; }
  let words = philox(at);
  let u = vec4f(uniformOf(words.x), uniformOf(words.y), uniformOf(words.z), uniformOf(words.w));
  if (NORMAL == 1u) {
    out[at] = vec4f(sqrt(-2.0 * logOf(u.x)) * turn(u.y), sqrt(-2.0 * logOf(u.z)) * turn(u.w));
  } else { out[at] = u; }
}
