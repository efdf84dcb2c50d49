import { createHash } from 'node:crypto';
import { basename } from 'node:path';
import { FormatError } from '@linattn/math';
import { endOfText, splitDocuments, splitValidation } from '../data/documents.ts';
import { countCharacters, orderZeroEntropy } from '../data/entropy.ts';
import { readText } from '../data/read-text.ts';
import { fetchTinyStories, isTinyStories } from '../data/tinystories.ts';
import type { TokenIds, Tokenizer } from '../data/tokenizer.ts';
import { type Story, tellStories } from '../stories/index.ts';
import { formatBytes, formatPercent } from '../terminal/format.ts';
import type { TrainingSettings } from './settings.ts';

/** A text, tokenized, and what its losses mean in characters and bytes. */
export interface Corpus {
  /** For people: where it comes from and how large it is. */
  readonly description: string;
  readonly training: Int32Array;
  readonly validation: Int32Array;
  /** Of the validation text, with one separator a document counted as one character and one byte. */
  readonly charactersPerToken: number;
  readonly bytesPerToken: number;
  /** Order-0 entropy of the validation text, nats a character. */
  readonly entropy: number;
  /** Stories that were not trained on, with their recall questions; none for other texts. */
  readonly recallStories: readonly Story[];
  /** SHA-256 of the training tokens. */
  readonly digest: string;
}

export type CorpusSettings = Pick<
  TrainingSettings,
  'data' | 'validationData' | 'validationShare' | 'dataLimit' | 'stories' | 'seed'
>;

export interface CorpusOptions {
  /** What goes on, for long texts: shown until the next. */
  readonly onStatus?: (text: string) => void;
  /** Asked now and then; it may throw to stop. */
  readonly pause?: () => Promise<void>;
  readonly signal?: AbortSignal;
}

interface Texts {
  readonly training: readonly string[];
  readonly validation: readonly string[];
  readonly recallStories: readonly Story[];
  readonly origin: string;
}

/** Recall is asked of this many stories at most. */
const recallStoryCount = 48;

/**
 * Reads (or tells, or downloads) a text, parts it into training and validation, and tokenizes it.
 * @throws FileError, FormatError, DownloadError.
 */
export async function loadCorpus(
  settings: CorpusSettings,
  tokenizer: Tokenizer,
  options: CorpusOptions = {},
): Promise<Corpus> {
  const { training, validation, recallStories, origin } = await loadTexts(settings, options);
  const validationText = validation.join('\n');
  const tokens = {
    training: await tokenize(training, tokenizer, options),
    validation: await tokenize(validation, tokenizer, options),
  };
  const sizes = [training, validation].map((part) =>
    formatBytes(part.reduce((sum, text) => sum + Buffer.byteLength(text), 0)),
  );
  const characters = validation.reduce((sum, text) => sum + countCharacters(text) + 1, 0);
  const bytes = validation.reduce((sum, text) => sum + Buffer.byteLength(text) + 1, 0);
  return {
    ...tokens,
    description: `${origin}: ${sizes[0]} for training, ${sizes[1]} for validation`,
    charactersPerToken: characters / tokens.validation.length,
    bytesPerToken: bytes / tokens.validation.length,
    entropy: orderZeroEntropy(validationText),
    recallStories,
    digest: createHash('sha256').update(new Uint8Array(tokens.training.buffer)).digest('hex'),
  };
}

async function loadTexts(settings: CorpusSettings, { onStatus, signal }: CorpusOptions): Promise<Texts> {
  const { data, validationData, validationShare, dataLimit, stories, seed } = settings;
  if (data === 'stories') {
    const told = tellStories(seed, stories);
    const held = Math.max(1, Math.round(stories * validationShare));
    const text = ({ text }: Story) => text;
    return {
      training: told.slice(0, -held).map(text),
      validation: told.slice(-held).map(text),
      recallStories: told.slice(-held).slice(0, recallStoryCount),
      origin: `${stories} built-in stories`,
    };
  }
  const read = async (name: string, argument: string) => {
    const path = isTinyStories(name)
      ? await fetchTinyStories(name, {
          signal,
          onProgress: (received, total) =>
            onStatus?.(`downloading ${name}: ${formatPercent(received / total)} of ${formatBytes(total)}`),
        })
      : name;
    const { text, cut, bytes } = await readText(path, dataLimit, argument);
    const documents = splitDocuments(text);
    if (documents.length === 0)
      throw new FormatError(argument, `${path} holds nothing but ${endOfText} and space`, { given: path });
    // A document that the limit cut is left out, unless it is the only one.
    if (cut && documents.length > 1) documents.pop();
    return { documents, origin: cut ? `${basename(name)} (its first ${formatBytes(bytes)})` : basename(name) };
  };
  const { documents, origin } = await read(data, '--data');
  const split = validationData
    ? { training: documents, validation: (await read(validationData, '--validation-data')).documents }
    : splitValidation(documents, validationShare);
  return { ...split, recallStories: [], origin };
}

/** One flat stream: every document after an end-of-text token. */
async function tokenize(
  documents: readonly string[],
  tokenizer: Tokenizer,
  { onStatus, pause }: CorpusOptions,
): Promise<Int32Array> {
  const total = documents.reduce((sum, { length }) => sum + length, 0);
  const parts: TokenIds[] = [];
  let length = 0;
  let characters = 0;
  let paused = performance.now();
  for (const document of documents) {
    const ids = tokenizer.encode(document);
    parts.push(ids);
    length += ids.length + 1;
    characters += document.length;
    if (performance.now() - paused > 100) {
      onStatus?.(`tokenizing: ${formatPercent(characters / total)}`);
      await pause?.();
      paused = performance.now();
    }
  }
  const stream = new Int32Array(length);
  let at = 0;
  for (const ids of parts) {
    stream[at] = tokenizer.endOfText;
    stream.set(ids, at + 1);
    at += ids.length + 1;
  }
  return stream;
}
