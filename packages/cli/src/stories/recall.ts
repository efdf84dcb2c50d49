import { type Backend, indices, scope, type Tensor } from '@linattn/math';
import type { Tokenizer } from '../data/tokenizer.ts';
import { candidates, type RecallKind, type Story } from './story.ts';

export interface RecallTally {
  readonly right: number;
  readonly total: number;
}

export interface RecallScore {
  /** Of all remembered words. */
  readonly all: RecallTally;
  readonly byKind: Readonly<Record<RecallKind, RecallTally & { readonly chance: number }>>;
  /** By characters since the word was last said: in [from, to). */
  readonly byDistance: readonly (RecallTally & { readonly from: number; readonly to: number })[];
}

interface Question {
  readonly kind: RecallKind;
  readonly distance: number;
  /** Where the answer's tokens lie in the row. */
  readonly start: number;
  readonly end: number;
}

interface Row {
  readonly ids: readonly number[];
  readonly questions: readonly Question[];
}

/** A story after an end-of-text token, with the places of its questions among the tokens. */
function row({ text, recalls }: Story, tokenizer: Tokenizer): Row {
  const ids = [tokenizer.endOfText, ...tokenizer.encode(text)];
  const questions = recalls.flatMap(({ kind, answer, start, distance }) => {
    // The space before a word belongs to its token, where tokens are larger than bytes.
    const before = tokenizer.encode(text.slice(0, start).trimEnd()).length + 1;
    const through = tokenizer.encode(text.slice(0, start + answer.length)).length + 1;
    return [{ kind, distance, start: before, end: through }];
  });
  return { ids, questions };
}

const distances = [0, 50, 100, 200, 400, Number.POSITIVE_INFINITY];

/** What recall is asked of: a language model that sees no later token. */
export interface RecallModel {
  readonly backend: Backend;
  readonly config: { readonly vocabSize: number };
  /** tokens [B, N] to logits [B, N, vocabSize] */
  logits(tokens: Tensor): Tensor;
}

export interface RecallOptions {
  /** Stories computed at once. Default 8. */
  readonly batchSize?: number;
  /** Called between batches. */
  readonly pause?: () => Promise<void>;
}

/**
 * How often the model, given a story up to a remembered word, says that word: the likeliest token must be right at every token of the
 * answer, which is what generation at temperature 0 would write.
 */
export async function scoreRecall(
  model: RecallModel,
  tokenizer: Tokenizer,
  stories: readonly Story[],
  { batchSize = 8, pause }: RecallOptions = {},
): Promise<RecallScore> {
  const rows = stories.map((story) => row(story, tokenizer));
  // One length for all: backends compile kernels by shape.
  const seqLen = Math.max(...rows.map(({ ids }) => ids.length));
  const answered: (Question & { readonly right: boolean })[] = [];
  for (let first = 0; first < rows.length; first += batchSize) {
    const batch = rows.slice(first, first + batchSize);
    await pause?.();
    const predicted = await likeliest(model, batch, batchSize, seqLen, tokenizer.endOfText);
    batch.forEach(({ ids, questions }, r) => {
      for (const question of questions) {
        let right = true;
        // Position i predicts token i + 1.
        for (let i = question.start; i < question.end; i++) right &&= predicted[r * seqLen + i - 1] === ids[i];
        answered.push({ ...question, right });
      }
    });
  }
  const tally = (questions: typeof answered): RecallTally => ({
    right: questions.filter(({ right }) => right).length,
    total: questions.length,
  });
  return {
    all: tally(answered),
    byKind: Object.fromEntries(
      (Object.keys(candidates) as RecallKind[]).map((kind) => [
        kind,
        { ...tally(answered.filter((question) => question.kind === kind)), chance: 1 / candidates[kind] },
      ]),
    ) as unknown as RecallScore['byKind'],
    byDistance: distances.slice(0, -1).map((from, i) => ({
      from,
      to: distances[i + 1],
      ...tally(answered.filter(({ distance }) => distance >= from && distance < distances[i + 1])),
    })),
  };
}

/** The likeliest next token at every position. */
async function likeliest(
  model: RecallModel,
  rows: readonly Row[],
  batchSize: number,
  seqLen: number,
  padding: number,
): Promise<Int32Array> {
  const tokens = new Int32Array(batchSize * seqLen).fill(padding);
  rows.forEach(({ ids }, r) => {
    tokens.set(ids, r * seqLen);
  });
  const logits = scope(() => model.logits(indices(model.backend, tokens, [batchSize, seqLen])));
  try {
    const values = await logits.read();
    const vocabSize = model.config.vocabSize;
    return Int32Array.from(tokens, (_, position) => {
      let best = 0;
      const at = position * vocabSize;
      for (let id = 1; id < vocabSize; id++) if (values[at + id] > values[at + best]) best = id;
      return best;
    });
  } finally {
    logits.dispose();
  }
}
