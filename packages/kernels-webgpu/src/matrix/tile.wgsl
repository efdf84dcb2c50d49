// What the matrix kernels share. They go through one tile of workgroup memory: 64 rows of up to 64 halves, then the same of low parts (or,
// with PARTS 1, of another matrix); or 64 rows of up to 64 float32 numbers. A float32 x becomes halves as high, the leading bits of s x, and
// low = half(s x - high), s a power of two by which the largest number of the tile comes to 2^14: neither overflows, and what low misses is
// 2^-21 of x, or 2^-39 of the largest where x is far smaller.
// The tile lies in blocks of 16 rows by 32 halves or by 16 floats: four from top to bottom, then those of the next columns. A matrix unit's
// load is checked against the end of its array, under a condition that costs more than the load; where only the block depends on the
// subgroup, and the place in it is a constant, the check is decided when the shader is compiled.
const STRIDE = 5u;             // from row to row of a block, in eights of halves or fours of floats; odd, against bank conflicts
const BLOCK = 81u;             // 79 and two more, so that a row goes on in other banks in the next columns' block
const PART = 8u;               // blocks
var<workgroup> tile: array<array<vec4u, BLOCK>, 2u * PART>;

// The largest numbers of tiles, as bits; a slot each.
var<workgroup> tops: array<atomic<u32>, SLOTS>;

fn largest(a: vec4f, b: vec4f) -> vec4f { return max(abs(a), abs(b)); }

// The exponent of a tile's scale. Tiles of nothing but numbers under 2^-46 use the range of halves in part only.
fn exponentOf(slot: u32) -> i32 { return clamp(141 - i32(atomicLoad(&tops[slot]) >> 23u), -60, 60); }

fn power(exponent: i32) -> f32 { return bitcast<f32>(u32(clamp(exponent, -126, 127) + 127) << 23u); }

// The ten leading bits of the mantissa, which a half holds. By bits, because some compilers take unpack(pack(x)) for x.
fn leading(a: vec4f) -> vec4f { return bitcast<vec4f>(bitcast<vec4u>(a) & vec4u(0xffffe000u)); }

// Eight numbers, scaled already.
fn stage(block: u32, at: u32, a: vec4f, b: vec4f) {
  if (PARTS == 2u) {
    let highA = leading(a);
    let highB = leading(b);
    let restA = a - highA;
    let restB = b - highB;
    tile[block][at] = vec4u(pack2x16float(highA.xy), pack2x16float(highA.zw), pack2x16float(highB.xy), pack2x16float(highB.zw));
    tile[PART + block][at] = vec4u(pack2x16float(restA.xy), pack2x16float(restA.zw), pack2x16float(restB.xy), pack2x16float(restB.zw));
  } else {
    tile[block][at] = vec4u(pack2x16float(a.xy), pack2x16float(a.zw), pack2x16float(b.xy), pack2x16float(b.zw));
  }
}
