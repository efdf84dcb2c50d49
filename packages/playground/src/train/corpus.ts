import { tellStory } from '@linattn/cli/stories';
import { FormatError } from '@linattn/math';
import { encode, endOfText, entropyOf } from './bytes.ts';
import { storiesName } from './corpus-names.ts';

/** What a run learns from. */
export interface Corpus {
  /** `storiesName`, or that of the visitor's file. */
  readonly name: string;
  readonly training: Uint8Array;
  readonly heldOut: Uint8Array;
  /** Of the held-out part, nats a byte. */
  readonly entropy: number;
}

export interface TextFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

const storyCount = 1500;
/** Held out, but no more than what is evaluated in a moment. */
const heldOutShare = 0.05;
const mostHeldOut = 8192;
/** Of the largest file. */
const mostBytes = 256 * 2 ** 20;

/** The stories that the library makes up: a child, a friend, a thing that is hidden, a promise. The same everywhere. */
export function storyCorpus(seed = 1, count = storyCount): Corpus {
  const parts = Array.from({ length: count }, (_, i) => encode(tellStory(seed, i).text));
  return split(storiesName, joined(parts));
}

/**
 * The visitor's own text.
 * @throws FormatError when it is no UTF-8, or too short to train rows of `seqLen` tokens on.
 */
export function fileCorpus({ name, bytes }: TextFile, seqLen: number): Corpus {
  if (bytes.length > mostBytes) throw new FormatError(name, `it has ${bytes.length} bytes; the most is ${mostBytes}`);
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new FormatError(name, 'it is no text in UTF-8', { cause });
  }
  if (bytes.includes(endOfText)) throw new FormatError(name, 'it is no text: it has a byte 0');
  const corpus = split(name, joined([bytes]));
  if (corpus.training.length <= seqLen + 1) {
    throw new FormatError(
      name,
      `it is too short: rows of ${seqLen} tokens need more than ${seqLen + 1} bytes to train on`,
    );
  }
  return corpus;
}

/** Every text after an end of text. */
function joined(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length + 1, 0)).fill(endOfText);
  let at = 1;
  for (const part of parts) {
    all.set(part, at);
    at += part.length + 1;
  }
  return all;
}

function split(name: string, tokens: Uint8Array): Corpus {
  const held = Math.max(2, Math.min(mostHeldOut, Math.round(tokens.length * heldOutShare)));
  const heldOut = tokens.subarray(tokens.length - held);
  return { name, training: tokens.subarray(0, tokens.length - held), heldOut, entropy: entropyOf(heldOut) };
}
