import { FormatError, ValueError } from '@linattn/math';
import type { Labelled } from '@linattn/nn';
import { Draws } from './draws.ts';

// ListOps (Nangia & Bowman 2018): nested operations on lists of digits, whose value is a digit. The Long Range Arena (Tay et al. 2021)
// made it long: 500 to 2,000 tokens.

/** Integer median (the lower whole number of the mean of the middle two), smallest, largest, sum modulo 10. */
const operations = {
  '[MIN': (values: readonly number[]) => Math.min(...values),
  '[MAX': (values: readonly number[]) => Math.max(...values),
  '[MED': (values: readonly number[]) => {
    const sorted = [...values].sort((x, y) => x - y);
    const middle = sorted.length >> 1;
    return sorted.length % 2 ? sorted[middle] : Math.floor((sorted[middle - 1] + sorted[middle]) / 2);
  },
  '[SM': (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) % 10,
} as const;

type Operation = keyof typeof operations;
const operationNames = Object.keys(operations) as Operation[];
const isOperation = (token: string): token is Operation => Object.hasOwn(operations, token);

/** Token ids: 0 fills rows up. */
export const listopsTokens: readonly string[] = [
  '',
  ...Array.from({ length: 10 }, (_, digit) => String(digit)),
  ...operationNames,
  ']',
];
const ids = new Map(listopsTokens.map((token, id) => [token, id]));

const tokensOf = (expression: string): string[] =>
  expression.split(/\s+/).filter((token) => token !== '' && token !== '(' && token !== ')');

/**
 * The value of an expression such as `[MAX 2 9 [MIN 4 7 ] 0 ]`, with or without the parentheses of the original data.
 * @throws FormatError telling the token at fault.
 */
export function evaluateListops(expression: string): number {
  const open: { readonly operation: Operation; readonly values: number[] }[] = [];
  let result: number | undefined;
  for (const [i, token] of tokensOf(expression).entries()) {
    const fail = (what: string) =>
      new FormatError('expression', `token ${i} (${token}): ${what}`, { given: expression });
    if (result !== undefined) throw fail('the expression ended before it');
    let value: number;
    if (isOperation(token)) {
      open.push({ operation: token, values: [] });
      continue;
    }
    if (token === ']') {
      const closed = open.pop();
      if (!closed || closed.values.length === 0) throw fail('there is nothing to close');
      value = operations[closed.operation](closed.values);
    } else if (/^\d$/.test(token)) value = Number(token);
    else throw fail('no digit, operation or ]');
    const outer = open.at(-1);
    if (outer) outer.values.push(value);
    else result = value;
  }
  if (result === undefined) throw new FormatError('expression', 'it does not end', { given: expression });
  return result;
}

/** Ids of an expression's tokens; parentheses are left out, as in the benchmark. @throws FormatError for any other token. */
export function encodeListops(expression: string): number[] {
  return tokensOf(expression).map((token) => {
    const id = ids.get(token);
    if (id === undefined) throw new FormatError('expression', `unknown token ${token}`, { given: expression });
    return id;
  });
}

export interface ListopsOptions {
  readonly seed: number;
  /** Different expressions. */
  readonly count: number;
  /** Tokens, without parentheses: more than `minLength` and fewer than `maxLength`. Default 500 and 2,000. */
  readonly minLength?: number;
  readonly maxLength?: number;
  /** Default 10. */
  readonly maxDepth?: number;
  /** Arguments of an operation: 2 to this many. Default 10. */
  readonly maxArguments?: number;
}

/** Chance that a place above the greatest depth holds an operation, not a digit. */
const operationChance = 0.25;

/**
 * Expressions by the benchmark's rule: a place holds an operation with probability 1/4 (never at the greatest depth), with 2 to
 * `maxArguments` arguments, any number as likely as any other, else a digit; trees of another length are thrown away, and no
 * expression occurs twice.
 * @throws ValueError for bounds that leave (almost) nothing.
 */
export function generateListops(options: ListopsOptions): string[] {
  const { seed, count, minLength = 500, maxLength = 2000, maxDepth = 10, maxArguments = 10 } = options;
  if (!(maxLength > minLength + 1))
    throw new ValueError('maxLength', maxLength, `more than minLength ${minLength} + 1`);
  if (!(maxArguments >= 2)) throw new ValueError('maxArguments', maxArguments, 'an integer >= 2');
  const draws = new Draws(seed, maxLength);
  const found = new Set<string>();
  for (let tries = 0; found.size < count; tries++) {
    if (tries > 10_000 + 1000 * count)
      throw new ValueError('count', count, `at most about ${found.size} for these bounds`);
    const tokens: string[] = [];
    if (grow(draws, tokens, 1, maxDepth, maxArguments, maxLength) && tokens.length > minLength)
      found.add(tokens.join(' '));
  }
  return [...found];
}

/** Appends a tree's tokens; false as soon as they are `limit` or more. */
function grow(
  draws: Draws,
  tokens: string[],
  depth: number,
  maxDepth: number,
  maxArguments: number,
  limit: number,
): boolean {
  if (depth >= maxDepth || draws.uniform() >= operationChance) {
    tokens.push(String(draws.below(10)));
    return tokens.length < limit;
  }
  tokens.push(operationNames[draws.below(operationNames.length)]);
  const size = 2 + draws.below(maxArguments - 1);
  for (let i = 0; i < size; i++) {
    if (!grow(draws, tokens, depth + 1, maxDepth, maxArguments, limit)) return false;
  }
  tokens.push(']');
  return tokens.length < limit;
}

/** Expressions as examples: token ids, and the value as label. */
export const listopsExamples = (expressions: readonly string[]): Labelled[] =>
  expressions.map((expression) => ({ tokens: encodeListops(expression), label: evaluateListops(expression) }));
