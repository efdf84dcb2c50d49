import { FormatError } from '@linattn/math';

/** What stands between stories in TinyStories and, as a token, between documents in training. */
export const endOfText = '<|endoftext|>';

/** Stories of a text with `<|endoftext|>` between them, or the whole text as one document. */
export function splitDocuments(text: string): string[] {
  return text
    .split(endOfText)
    .map((document) => document.trim())
    .filter((document) => document !== '');
}

export interface Split {
  readonly training: readonly string[];
  readonly validation: readonly string[];
}

/**
 * Keeps the last part of the text for validation: whole documents where there are at least twenty, else the last part of the
 * characters, cut at a line's end where one is near.
 */
export function splitValidation(documents: readonly string[], fraction: number, argument = '--data'): Split {
  if (documents.length >= 20) {
    const total = documents.reduce((sum, { length }) => sum + length, 0);
    let first = documents.length - 1;
    for (let kept = documents[first].length; kept < total * fraction && first > 1; kept += documents[first].length)
      first--;
    return { training: documents.slice(0, first), validation: documents.slice(first) };
  }
  const text = documents.join('\n\n');
  const cut = Math.floor(text.length * (1 - fraction));
  const line = text.indexOf('\n', cut);
  const at = line >= 0 && line - cut < text.length * fraction * 0.5 ? line + 1 : cut;
  const [training, validation] = [text.slice(0, at), text.slice(at)];
  if (training.trim() === '' || validation.trim() === '') {
    throw new FormatError(argument, 'the text is too short to keep a part for validation', {
      given: `${text.length} characters`,
    });
  }
  return { training: [training], validation: [validation] };
}
