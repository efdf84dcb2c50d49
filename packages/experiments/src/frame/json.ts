// JSON has no NaN nor infinities; a measurement may.

/** JSON in which numbers that are not finite read `{ "number": "NaN" }`. */
export const toJson = (value: unknown, indent?: number): string =>
  JSON.stringify(value, (_, x) => (typeof x === 'number' && !Number.isFinite(x) ? { number: String(x) } : x), indent);

/** What `toJson` wrote. @throws SyntaxError */
export const fromJson = (text: string): unknown =>
  JSON.parse(text, (_, x) => (typeof x?.number === 'string' && Object.keys(x).length === 1 ? Number(x.number) : x));
