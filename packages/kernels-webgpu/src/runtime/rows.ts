// How a shader sees floats: four at a time where every row begins on a multiple of four, else one by one. A shader declares its
// buffers as arrays of a unit type and goes through these functions; one text then serves both, and float16 storage (`half`) too.

/** `Unit` (or another name): vec4f or f32; of float16 four numbers in a vec2u, or two in a u32. */
export function units(vector: boolean, name = 'Unit', half = false): string {
  const [four, one] = half ? ['vec2u', 'u32'] : ['vec4f', 'f32'];
  return `alias ${name} = ${vector ? four : one};\n`;
}

/** The number at an index: an expression. */
export const oneOf = (buffer: string, at: string, half = false): string =>
  half ? `unpack2x16float(${buffer}[(${at}) / 2u] >> (16u * ((${at}) % 2u))).x` : `${buffer}[${at}]`;

/** `<buffer>Four(at, left)`: four numbers from element `at` on, zeros past the first `left`. */
export function fourOf(buffer: string, vector: boolean, half = false): string {
  const one = (i: number) => `select(0.0, ${oneOf(buffer, `at + ${i}u`, half)}, left > ${i}u)`;
  const whole = half
    ? `let pairs = ${buffer}[at / 4u]; return vec4f(unpack2x16float(pairs.x), unpack2x16float(pairs.y));`
    : `return ${buffer}[at / 4u];`;
  const body = vector ? whole : `return vec4f(${[0, 1, 2, 3].map(one).join(', ')});`;
  return `fn ${buffer}Four(at: u32, left: u32) -> vec4f { ${body} }\n`;
}

/** `<buffer>Store(at, left, v)`: writes the first `left` of four numbers from element `at` on. */
export function storeOf(buffer: string, vector: boolean): string {
  const one = (i: number) => `if (left > ${i}u) { ${buffer}[at + ${i}u] = v[${i}]; }`;
  const body = vector ? `${buffer}[at / 4u] = v;` : [0, 1, 2, 3].map(one).join(' ');
  return `fn ${buffer}Store(at: u32, left: u32, v: vec4f) { ${body} }\n`;
}
