import { FormatError } from '@linattn/math';
import type { Labelled } from '@linattn/nn';
import { Draws } from './draws.ts';

/** A review of the Large Movie Review data set (Maas et al. 2011). */
export interface Review {
  /** 1: positive. */
  readonly label: 0 | 1;
  readonly film: string;
  readonly text: string;
}

/** Lines of `label TAB rating TAB film TAB text`, in UTF-8. @throws FormatError naming the line. */
export function parseReviews(content: Uint8Array, name: string): Review[] {
  return Buffer.from(content)
    .toString('utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line, i) => {
      const [label, rating, film, ...text] = line.split('\t');
      if ((label !== '0' && label !== '1') || rating === undefined || !film || text.length !== 1 || text[0] === '') {
        throw new FormatError(name, `line ${i + 1} is no review (label, rating, film, text)`, {
          given: line.slice(0, 80),
        });
      }
      return { label: label === '1' ? 1 : 0, film, text: text[0] };
    });
}

/** Bytes, one a token; byte 0, which no text holds, fills up and separates. */
const bytesOf = (text: string, limit: number): Uint8Array => Buffer.from(text, 'utf8').subarray(0, limit);

/** Text: is the review positive? */
export const sentiment = (reviews: readonly Review[], limit: number): Labelled[] =>
  reviews.map(({ label, text }) => ({ tokens: bytesOf(text, limit), label }));

/**
 * What stands in for Retrieval, whose articles are not free: two reviews, one after the other, are they of the same film? Half of the
 * pairs are, of films with two reviews or more.
 */
export function sameFilm(
  reviews: readonly Review[],
  { seed, count, limit }: { readonly seed: number; readonly count: number; readonly limit: number },
): Labelled[] {
  const films = new Map<string, Review[]>();
  for (const review of reviews) {
    const own = films.get(review.film);
    if (own) own.push(review);
    else films.set(review.film, [review]);
  }
  const groups = [...films.values()].filter((own) => own.length > 1);
  if (groups.length < 2) throw new FormatError('reviews', 'two films with two reviews each are needed for pairs');
  const draws = new Draws(seed, 1);
  const each = Math.floor((limit - 1) / 2);
  return Array.from({ length: count }, () => {
    const label = draws.below(2);
    const group = draws.below(groups.length);
    const own = groups[group];
    const first = draws.below(own.length);
    // Any other film, or any other review of the same.
    const others = label === 1 ? own : groups[(group + 1 + draws.below(groups.length - 1)) % groups.length];
    const second = label === 1 ? (first + 1 + draws.below(own.length - 1)) % own.length : draws.below(others.length);
    const [a, b] = [own[first], others[second]].map(({ text }) => bytesOf(text, each));
    return { tokens: Buffer.concat([a, Buffer.of(0), b]), label };
  });
}
