import { FormatError, LinattnError, ValueError } from '@linattn/math';
import { endOfText } from './documents.ts';
import { readText } from './read-text.ts';

/** Ids as the tokenizer has them. */
export type TokenIds = readonly number[] | Uint8Array;

/** Text to token ids and back. */
export interface Tokenizer {
  /** `bytes`, or the path of a tokenizer.json. */
  readonly name: string;
  /** Ids are in [0, vocabSize). */
  readonly vocabSize: number;
  /** The id between documents. */
  readonly endOfText: number;
  /** Token ids of a text. */
  encode(text: string): TokenIds;
  /** `endOfText` and bytes that make no character are shown, never thrown. */
  decode(ids: readonly number[]): string;
  /** The tokenizer.json itself, for a copy beside the checkpoint. */
  readonly source?: string;
}

/** One token a byte of UTF-8; byte 0, which no text holds, is the end of a text. */
export const bytesTokenizer: Tokenizer = {
  name: 'bytes',
  vocabSize: 256,
  endOfText: 0,
  encode: (text) => Buffer.from(text, 'utf8'),
  decode: (ids) => Buffer.from(Uint8Array.from(ids)).toString('utf8').replaceAll('\0', endOfText),
};

/**
 * `bytes`, or a Hugging Face tokenizer.json (as it is or packed).
 * @throws FileError, FormatError.
 */
export async function loadTokenizer(name: string): Promise<Tokenizer> {
  if (name === 'bytes') return bytesTokenizer;
  const { text } = await readText(name, 256 * 2 ** 20, '--tokenizer');
  return tokenizerFromJson(text, name);
}

/** @throws FormatError when it is no tokenizer.json, or has no token `<|endoftext|>`. */
export async function tokenizerFromJson(source: string, name: string): Promise<Tokenizer> {
  const { Tokenizer: HuggingFaceTokenizer } = await import('@huggingface/tokenizers');
  let json: unknown;
  try {
    json = JSON.parse(source);
  } catch (cause) {
    throw new FormatError('--tokenizer', `${name} is not JSON`, { given: name, cause });
  }
  if (typeof json !== 'object' || json === null || !('model' in json)) {
    throw new FormatError('--tokenizer', `${name} is no tokenizer.json (it has no "model")`, { given: name });
  }
  try {
    const tokenizer = new HuggingFaceTokenizer(json, {});
    const end = tokenizer.token_to_id(endOfText) ?? tokenizer.token_to_id('</s>');
    if (end === undefined) throw new FormatError('--tokenizer', `${name} has no token ${endOfText}`, { given: name });
    let largest = 0;
    for (const id of tokenizer.get_vocab(true).values()) largest = Math.max(largest, id);
    return {
      name,
      source,
      vocabSize: largest + 1,
      endOfText: end,
      encode: (text) => tokenizer.encode(text, { add_special_tokens: false }).ids,
      decode: (ids) =>
        ids.length === 0
          ? ''
          : tokenizer.decode([...ids], { skip_special_tokens: false, clean_up_tokenization_spaces: false }),
    };
  } catch (cause) {
    if (cause instanceof LinattnError) throw cause;
    throw new FormatError('--tokenizer', `${name} is no tokenizer.json that can be used here`, { given: name, cause });
  }
}

/** @throws ValueError unless every id of the tokenizer has a row in the model's embedding. */
export function checkTokenizerFits(tokenizer: Tokenizer, vocabSize: number): void {
  if (tokenizer.vocabSize > vocabSize) {
    throw new ValueError(
      '--tokenizer',
      `${tokenizer.name} with ${tokenizer.vocabSize} tokens`,
      `at most the model's ${vocabSize} tokens`,
    );
  }
}
