// How a shader sees floats: four at a time where every row begins on a multiple of four, else one by one. A shader declares its
// buffers as arrays of a unit type and goes through these functions; one text then serves both.

/** `Unit` (or another name): vec4f or f32. */
export const units = (vector: boolean, name = 'Unit'): string => `alias ${name} = ${vector ? 'vec4f' : 'f32'};\n`;

/** `<buffer>Four(at, left)`: four numbers from element `at` on, zeros past the first `left`. */
export function fourOf(buffer: string, vector: boolean): string {
  const one = (i: number) => `select(0.0, ${buffer}[at + ${i}u], left > ${i}u)`;
  const four = vector ? `${buffer}[at / 4u]` : `vec4f(${[0, 1, 2, 3].map(one).join(', ')})`;
  return `fn ${buffer}Four(at: u32, left: u32) -> vec4f { return ${four}; }\n`;
}

/** `<buffer>Store(at, left, v)`: writes the first `left` of four numbers from element `at` on. */
export function storeOf(buffer: string, vector: boolean): string {
  const one = (i: number) => `if (left > ${i}u) { ${buffer}[at + ${i}u] = v[${i}]; }`;
  const body = vector ? `${buffer}[at / 4u] = v;` : [0, 1, 2, 3].map(one).join(' ');
  return `fn ${buffer}Store(at: u32, left: u32, v: vec4f) { ${body} }\n`;
}
