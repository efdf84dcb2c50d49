// z = f(x, y) with broadcasting; FN picks f (the order of binaryFunctions). FLAT: equal shapes, four elements an invocation.
struct Params { count: u32, rank: u32, extents: array<vec4u, 2>, xStrides: array<vec4u, 2>, yStrides: array<vec4u, 2> }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> z: array<Unit>;
@group(0) @binding(2) var<storage, read> x: array<Unit>;
@group(0) @binding(3) var<storage, read> y: array<Unit>;

fn erf(x: f32) -> f32 {
  let z = abs(x);
  if (z < 1.0) {
    let t = x * x;
    return x * (1.1283791671 + t * (-0.3761263890 + t * (0.1128379167 + t * (-0.0268661706 + t * (0.0052239776
      + t * (-0.0008548327 + t * (0.0001205533 + t * (-0.0000149257 + t * 0.0000016462))))))));
  }
  let t = 1.0 / (1.0 + 0.5 * z);
  let tail = t * exp(-z * z - 1.26551223 + t * (1.00002368 + t * (0.37409196 + t * (0.09678418 + t * (-0.18628806
    + t * (0.27886807 + t * (-1.13520398 + t * (1.48851587 + t * (-0.82215223 + t * 0.17087277)))))))));
  return sign(x) * (1.0 - tail);
}

fn f(x: f32, y: f32) -> f32 {
  switch FN {
    case 0u: { return x + y; }
    case 1u: { return x - y; }
    case 2u: { return x * y; }
    case 3u: { return x / y; }
    case 4u: { return max(x, y); }
    case 5u: { return min(x, y); }
    case 6u: { return select(0.0, 1.0, x >= y); }
    case 7u: { return select(0.0, 1.0, x == y); }
    case 8u: { return y * (1.0 - x * x); }
    case 9u: { return y * x * (1.0 - x); }
    case 10u: { return select(0.0, y, x > 0.0); }
    case 11u: { return y * (0.5 * (1.0 + erf(x * 0.70710678118)) + x * 0.39894228040 * exp(-0.5 * x * x)); }
    case 12u: { let s = 1.0 / (1.0 + exp(-x)); return y * s * (1.0 + x * (1.0 - s)); }
    default: { return select(y * exp(x), y, x > 0.0); }
  }
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) t: u32) {
  let at = (group.y * groups.x + group.x) * 256u + t;
  if (at >= p.count) { return; }
  if (FLAT == 1u) {
    let u = vec4f(x[at]);
    let v = vec4f(y[at]);
    zStore(4u * at, 4u, vec4f(f(u.x, v.x), f(u.y, v.y), f(u.z, v.z), f(u.w, v.w)));
  } else {
    var rest = at;
    var i = 0u;
    var j = 0u;
    for (var axis = p.rank; axis > 0u; axis--) {
      let a = axis - 1u;
      let extent = p.extents[a / 4u][a % 4u];
      let index = rest % extent;
      rest /= extent;
      i += index * p.xStrides[a / 4u][a % 4u];
      j += index * p.yStrides[a / 4u][a % 4u];
    }
    z[at] = Unit(f(vec4f(x[i]).x, vec4f(y[j]).x));
  }
}
