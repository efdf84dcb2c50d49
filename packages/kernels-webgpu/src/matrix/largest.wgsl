// The largest finite magnitudes of two buffers, as bits: 256 shares of x, then 256 of y.
struct Params { xStart: u32, xCount: u32, yStart: u32, yCount: u32 }   // in numbers; they start at a multiple of four
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> tops: array<u32>;
@group(0) @binding(2) var<storage, read> x: array<vec4u>;
@group(0) @binding(3) var<storage, read> y: array<vec4u>;
const NT = 256u * 256u;
var<workgroup> shares: array<u32, 256>;

// Infinities and NaN stay what they are at any scale; past the end there may be anything.
fn magnitude(v: vec4u, i: u32, count: u32) -> vec4u {
  let bits = v & vec4u(0x7fffffffu);
  return select(vec4u(), bits, (bits < vec4u(0x7f800000u)) & (vec4u(4u * i) + vec4u(0u, 1u, 2u, 3u) < vec4u(count)));
}
fn xAt(i: u32) -> vec4u { return magnitude(x[p.xStart / 4u + i], i, p.xCount); }
fn yAt(i: u32) -> vec4u { return magnitude(y[p.yStart / 4u + i], i, p.yCount); }

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) t: u32) {
  var top = vec4u();
  var i = group.x * 256u + t;
  // Four loads are under way at a time.
  if (group.y == 0u) {
    for (; 4u * (i + 3u * NT) < p.xCount; i += 4u * NT) {
      top = max(top, max(max(xAt(i), xAt(i + NT)), max(xAt(i + 2u * NT), xAt(i + 3u * NT))));
    }
    for (; 4u * i < p.xCount; i += NT) { top = max(top, xAt(i)); }
  } else {
    for (; 4u * (i + 3u * NT) < p.yCount; i += 4u * NT) {
      top = max(top, max(max(yAt(i), yAt(i + NT)), max(yAt(i + 2u * NT), yAt(i + 3u * NT))));
    }
    for (; 4u * i < p.yCount; i += NT) { top = max(top, yAt(i)); }
  }
  shares[t] = max(max(top.x, top.y), max(top.z, top.w));
  for (var step = 128u; step > 0u; step /= 2u) {
    workgroupBarrier();
    if (t < step) { shares[t] = max(shares[t], shares[t + step]); }
  }
  if (t == 0u) { tops[group.y * 256u + group.x] = shares[0]; }
}
