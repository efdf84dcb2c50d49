/** One token a byte of UTF-8; byte 0, which no text holds, stands before every text. */
export const endOfText = 0;

export const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Turns tokens into text as they come; characters of several bytes appear when they are whole. */
export function decoder(): (token: number) => string {
  const utf8 = new TextDecoder();
  return (token) => (token === endOfText ? '\n\n' : utf8.decode(Uint8Array.of(token), { stream: true }));
}

/** Order-0 entropy, nats a byte: the loss of a model that knows how often each byte occurs and nothing else. */
export function entropyOf(tokens: Uint8Array): number {
  const counts = new Float64Array(256);
  for (const token of tokens) counts[token]++;
  return counts.reduce(
    (sum, count) => (count === 0 ? sum : sum - (count / tokens.length) * Math.log(count / tokens.length)),
    0,
  );
}
