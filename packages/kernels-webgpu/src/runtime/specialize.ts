/** Compile-time numbers of a shader; they become WGSL `const` declarations of type u32. */
export type Constants = Readonly<Record<string, number>>;

/**
 * Makes a kernel's text for one set of sizes: declares `constants`, and carries out three annotations, two of which keep register tiles in registers
 * with every driver, while the files stay readable, valid WGSL:
 * - `// @unroll` before `for (var i = 0u; i < BOUND; i++) {`: the body, once an iteration.
 * - `// @block name` to `// @end`: text that stands wherever `// @place name` does, also in other blocks.
 * - `// @registers a b`: arrays of the function scope that become one variable an element (all their indices must be constant).
 * @param unrolled false leaves the loops as they are: software adapters take half a minute to compile one kernel unrolled.
 */
export function specialize(text: string, constants: Constants, unrolled = true): string {
  const source = placeBlocks(text);
  const registers = [...source.matchAll(/\/\/ @registers (.*)/g)].flatMap((match) => match[1].trim().split(/\s+/));
  const prelude = Object.entries(constants).map(([name, value]) => `const ${name}: u32 = ${value}u;`);
  const known = { ...constants };
  for (const [, name, expression] of source.matchAll(/^const (\w+) = ([^;]+);/gm)) {
    known[name] = evaluate(expression, known);
  }
  const body = unrolled ? scalarize(unroll(source, known), registers, known) : source;
  return `${prelude.join('\n')}\n${body}`;
}

function placeBlocks(text: string): string {
  const blocks = new Map<string, string>();
  const rest = text.replace(/\/\/ @block (\w+)\n([\s\S]*?)\/\/ @end\n/g, (_, name: string, body: string) => {
    blocks.set(name, body);
    return '';
  });
  const place = (part: string): string =>
    part.replace(/\/\/ @place (\w+)/g, (_, name: string) => place(blocks.get(name) ?? ''));
  return place(rest);
}

const loop = /\/\/ @unroll\s*for \(var (\w+) = 0u; \1 < ([^;]+); \1\+\+\) \{/;

function unroll(text: string, constants: Constants): string {
  const match = loop.exec(text);
  if (!match) return text;
  const [header, name, bound] = match;
  const start = match.index + header.length;
  const end = closingBrace(text, start);
  const body = text.slice(start, end);
  const count = evaluate(bound, constants);
  const variable = new RegExp(`\\b${name}\\b`, 'g');
  const copies = Array.from({ length: count }, (_, i) => `{${body.replace(variable, `${i}u`)}}`);
  return text.slice(0, match.index) + unroll(copies.join('\n') + text.slice(end + 1), constants);
}

function closingBrace(text: string, start: number): number {
  let depth = 1;
  for (let at = start; at < text.length; at++) {
    if (text[at] === '{') depth++;
    else if (text[at] === '}' && --depth === 0) return at;
  }
  throw new SyntaxError('WGSL: a loop to unroll is not closed');
}

function scalarize(text: string, names: readonly string[], constants: Constants): string {
  let result = text;
  for (const name of names) {
    result = result.replace(
      new RegExp(`var ${name}: array<(.+), ([^>\n]+)>;`, 'g'),
      (_, type: string, length: string) =>
        Array.from({ length: evaluate(length, constants) }, (_, i) => `var ${name}_${i}: ${type};`).join(' '),
    );
    result = result.replace(
      new RegExp(`\\b${name}\\[([^\\]]+)\\]`, 'g'),
      (_, index: string) => `${name}_${evaluate(index, constants)}`,
    );
  }
  return result;
}

/** Integer expressions of numbers, constants, + - * / %, min, max and parentheses (no `eval`: pages may forbid it). */
export function evaluate(expression: string, constants: Constants): number {
  const tokens = expression.match(/\d+|\w+|[-+*/%(),]/g) ?? [];
  let at = 0;
  const fail = () => new SyntaxError(`WGSL: "${expression}" is no constant expression`);
  const primary = (): number => {
    const token = tokens[at++];
    if (token === '(') {
      const value = sum();
      if (tokens[at++] !== ')') throw fail();
      return value;
    }
    if (token !== undefined && /^\d/.test(token)) {
      if (tokens[at] === 'u') at++;
      return Number(token);
    }
    if (token === 'min' || token === 'max') return Math[token](argument('('), argument(','));
    if (token !== undefined && token in constants) return constants[token];
    throw fail();
  };
  const argument = (opening: string): number => {
    if (tokens[at++] !== opening) throw fail();
    const value = sum();
    if (opening === ',' && tokens[at++] !== ')') throw fail();
    return value;
  };
  const product = (): number => {
    let value = primary();
    while (tokens[at] === '*' || tokens[at] === '/' || tokens[at] === '%') {
      const operator = tokens[at++];
      const right = primary();
      value = operator === '*' ? value * right : operator === '/' ? Math.floor(value / right) : value % right;
    }
    return value;
  };
  const sum = (): number => {
    let value = product();
    while (tokens[at] === '+' || tokens[at] === '-')
      value = tokens[at++] === '+' ? value + product() : value - product();
    return value;
  };
  const value = sum();
  if (at !== tokens.length) throw fail();
  return value;
}
