/** Where the walk stands: before everything, at a token on the way forward, or at one on the way back. Tokens count from 0. */
export type Place =
  | { readonly direction: 'start' }
  | { readonly direction: 'forward'; readonly token: number }
  | { readonly direction: 'backward'; readonly token: number };

/** Steps after the first: every token forward, then every token back. */
export const stepCount = (tokens: number): number => 2 * tokens;

export function placeOf(step: number, tokens: number): Place {
  if (step === 0) return { direction: 'start' };
  return step <= tokens
    ? { direction: 'forward', token: step - 1 }
    : { direction: 'backward', token: 2 * tokens - step };
}

/** 12 as ₁₂. */
export const subscript = (index: number): string =>
  String(index).replace(/\d/g, (digit) => String.fromCodePoint(0x2080 + Number(digit)));
