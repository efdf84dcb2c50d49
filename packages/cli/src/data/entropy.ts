/**
 * Order-0 entropy of a text's own characters, in nats a character: -Σ p(x) ln p(x). A model that knows how often each character
 * occurs and nothing else has this loss; a model that learnt anything of their order is under it.
 */
export function orderZeroEntropy(text: string): number {
  const counts = new Map<string, number>();
  let total = 0;
  for (const character of text) {
    counts.set(character, (counts.get(character) ?? 0) + 1);
    total++;
  }
  let entropy = 0;
  for (const count of counts.values()) entropy -= (count / total) * Math.log(count / total);
  return entropy;
}

/** Characters (code points) of a text. */
export function countCharacters(text: string): number {
  let count = 0;
  for (const _ of text) count++;
  return count;
}
