import { type PhiloxKey, philoxFill } from '@linattn/math';

/** One token as attention sees it: what it asks for, what it is found by, what it holds. */
export interface Token {
  readonly word: string;
  readonly q: readonly number[];
  readonly k: readonly number[];
  readonly v: readonly number[];
}

/** A sequence: conditional tokens, then generated ones. */
export interface Example {
  readonly tokens: readonly Token[];
  readonly conditional: number;
  /** D, of q, k and v alike. */
  readonly features: number;
}

export const limits = { conditional: [1, 6], generated: [1, 6], features: [1, 4] } as const;

const words = ['Anna', 'hid', 'keys', 'Tom', 'found', 'keys', 'and', 'went', 'home', 'that', 'same', 'night'];

/** FNV-1a, 32 bits: the key of a word's numbers. */
function keyOf(word: string): PhiloxKey {
  let hash = 0x811c9dc5;
  for (const character of word) hash = Math.imul(hash ^ character.codePointAt(0)!, 0x01000193);
  return [hash >>> 0, word.length];
}

/** A word's own q, k and v: the same word has the same numbers, to two decimals as they are shown. */
export function tokenOf(word: string, features: number): Token {
  const key = keyOf(word);
  const draw = (stream: number) =>
    [...philoxFill(new Float64Array(features), 'normal', key, [stream, 0])].map((x) => Math.round(70 * x) / 100);
  return { word, q: draw(0), k: draw(1), v: draw(2) };
}

/** The first words of the list, each with its own numbers. */
export function exampleOf(conditional = 3, generated = 3, features = 2): Example {
  return resize({ tokens: [], conditional, features }, conditional, generated, features);
}

/** Another number of tokens or features; tokens that stay keep their words and, where the features stay too, their numbers. */
export function resize(example: Example, conditional: number, generated: number, features: number): Example {
  const tokens = Array.from({ length: conditional + generated }, (_, i) => {
    const kept = example.tokens[i];
    if (kept && features === example.features) return kept;
    return tokenOf(kept?.word ?? words[i], features);
  });
  return { tokens, conditional, features };
}

/** The example with one token replaced. */
export const withToken = (example: Example, at: number, token: Token): Example => ({
  ...example,
  tokens: example.tokens.map((old, i) => (i === at ? token : old)),
});

/** The token whose value generated token i is asked to read back: the conditional ones, in turn. */
export const targetOf = (i: number, conditional: number): number => (i - conditional) % conditional;
