// A kernel is `(block, args, scratch)`: it does one block of the work that its arguments describe. Arguments are float64 words
// (exact for pointers up to 4 GiB and for sizes), `scratch` is memory of this thread's own.

// @ts-ignore: decorator
@inline export function int(args: usize, i: i32): i32 {
  return <i32>load<f64>(args + (<usize>i << 3));
}

// @ts-ignore: decorator
@inline export function num(args: usize, i: i32): f32 {
  return <f32>load<f64>(args + (<usize>i << 3));
}

// @ts-ignore: decorator
@inline export function ptr(args: usize, i: i32): usize {
  return <usize>load<f64>(args + (<usize>i << 3));
}

/** Address of float `i`. */
// @ts-ignore: decorator
@inline export function at(base: usize, i: i32): usize {
  return base + (<usize>(<u32>i) << 2);
}
