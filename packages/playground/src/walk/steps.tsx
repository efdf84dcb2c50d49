import type { Example } from './example.ts';
import { type Place, subscript } from './place.ts';

interface StepsProps {
  readonly step: number;
  readonly last: number;
  readonly go: (to: number) => void;
  readonly place: Place;
  readonly example: Example;
}

/** The controls, and what happens at this step in words. A button at its end keeps the focus: a disabled one would lose it. */
export function Steps({ step, last, go, place, example }: StepsProps) {
  const words = describe(place, example);
  return (
    <div class="steps">
      <div class="step-controls">
        <button type="button" onClick={() => go(step - 1)} aria-disabled={step === 0}>
          Back
        </button>
        <input
          type="range"
          min={0}
          max={last}
          value={step}
          aria-label="Step"
          aria-valuetext={`${step} of ${last}: ${words.title}`}
          onInput={(event) => go(event.currentTarget.valueAsNumber)}
        />
        <button type="button" class="primary" onClick={() => go(step + 1)} aria-disabled={step === last}>
          Next
        </button>
      </div>
      <div class="step-words" aria-live="polite">
        <p class="step-title">
          <span class="step-count">
            {step} of {last}
          </span>{' '}
          {words.title}
        </p>
        <p>{words.text}</p>
      </div>
    </div>
  );
}

function describe(place: Place, { tokens, conditional }: Example): { title: string; text: string } {
  if (place.direction === 'start') {
    return { title: 'Before the first token', text: 'The state is zero. It already has its final size.' };
  }
  const i = place.token + 1;
  const t = subscript(i);
  const name = `token ${i}, “${tokens[place.token].word}”`;
  const given = place.token < conditional;
  if (place.direction === 'forward') {
    return {
      title: `Forward: ${name}, ${given ? 'given' : 'generated'}`,
      text: given
        ? `The state takes the token in: S${t} is S${subscript(i - 1)} and the outer product of φ(k${t}) and w${t} = [v${t}, 1]. Softmax attention adds a row to its table.`
        : `The state takes the token in, and the token reads it: φ(q${t})ᵀ S${t} is [g o, g], one weighted sum over all tokens so far and its divisor. Softmax attention adds a row to its table, one longer than the last.`,
    };
  }
  return {
    title: `Backward: ${name}, ${given ? 'given' : 'generated'}`,
    text: given
      ? `No loss hangs on a given token, so the state’s gradient passes it untouched. What the later tokens wished of the state is still all there, and this token’s key and value get their gradients from it.`
      : `The token’s own reading adds φ(q${t}) e${t}ᵀ to the state’s gradient, with e = [∂L/∂o, −o·∂L/∂o] / g. Key and value get their gradients from the sum.`,
  };
}
