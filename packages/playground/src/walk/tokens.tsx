import type { Signal } from '@preact/signals';
import { useDraft } from '../ui/draft.ts';
import { Scroll } from '../ui/scroll.tsx';
import { type Example, type Token, tokenOf, withToken } from './example.ts';
import type { Place } from './place.ts';

interface TokensProps {
  readonly example: Signal<Example>;
}

/** The sequence, as words to type over. */
export function TokenWords({ example, place }: TokensProps & { readonly place: Place }) {
  const { tokens, conditional, features } = example.value;
  const current = place.direction === 'start' ? -1 : place.token;
  const put = (at: number, word: string) => {
    if (word.trim() !== '') example.value = withToken(example.value, at, tokenOf(word.trim(), features));
  };
  return (
    <ol class="tokens" aria-label="The tokens">
      {tokens.map(({ word }, i) => (
        <li
          key={i}
          class={`${i < conditional ? 'given' : 'generated'}${i === current ? ' current' : ''}`}
          aria-current={i === current ? 'step' : undefined}
        >
          <span class="kind" aria-hidden="true">
            {i + 1} {i < conditional ? 'given' : 'generated'}
          </span>
          <Word
            word={word}
            label={`Token ${i + 1}, ${i < conditional ? 'given' : 'generated'}`}
            onWord={(typed) => put(i, typed)}
          />
        </li>
      ))}
    </ol>
  );
}

interface WordProps {
  readonly word: string;
  readonly label: string;
  readonly onWord: (word: string) => void;
}

function Word({ word, label, onWord }: WordProps) {
  const draft = useDraft(word);
  return (
    <input
      type="text"
      value={draft.shown}
      maxLength={16}
      spellcheck={false}
      autocomplete="off"
      aria-label={label}
      onInput={({ currentTarget: { value } }) => {
        draft.type(value);
        onWord(value);
      }}
      onBlur={draft.leave}
    />
  );
}

const parts = ['q', 'k', 'v'] as const;

/** q, k and v of every token, to change one by one. */
export function TokenNumbers({ example }: TokensProps) {
  const { tokens, features } = example.value;
  const put = (at: number, part: (typeof parts)[number], j: number, value: number) => {
    const token = example.value.tokens[at];
    const numbers = token[part].map((old, index) => (index === j ? value : old));
    example.value = withToken(example.value, at, { ...token, [part]: numbers } satisfies Token);
  };
  const names = parts.flatMap((part) => Array.from({ length: features }, (_, j) => ({ part, j })));
  return (
    <details class="numbers">
      <summary>The numbers of each token</summary>
      <p class="hint">
        A word draws its query q, key k and value v from a generator that it seeds: the same word, the same numbers. In
        a model they are learned. Queries and keys are then scaled to one length r, r² = 0.95, so that 1 + q·k is always
        above zero.
      </p>
      <Scroll label="Queries, keys and values">
        <table class="inputs">
          <thead>
            <tr>
              <th scope="col">token</th>
              {names.map(({ part, j }) => (
                <th key={`${part}${j}`} scope="col">
                  {part}
                  <sub>{j + 1}</sub>
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {tokens.map((token, i) => (
              <tr key={i}>
                <th scope="row">{token.word}</th>
                {names.map(({ part, j }) => (
                  <td key={`${part}${j}`}>
                    <Entry
                      value={token[part][j]}
                      label={`Token ${i + 1}, ${part}${j + 1}`}
                      onValue={(value) => put(i, part, j, value)}
                    />
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
    </details>
  );
}

interface EntryProps {
  readonly value: number;
  readonly label: string;
  readonly onValue: (value: number) => void;
}

function Entry({ value, label, onValue }: EntryProps) {
  const draft = useDraft(String(value));
  return (
    <input
      type="number"
      step="0.1"
      value={draft.shown}
      aria-label={label}
      onInput={({ currentTarget: input }) => {
        draft.type(input.value);
        if (Math.abs(input.valueAsNumber) <= 1e6) onValue(input.valueAsNumber);
      }}
      onBlur={draft.leave}
    />
  );
}
