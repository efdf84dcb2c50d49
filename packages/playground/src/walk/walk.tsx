import { useComputed, useSignal, useSignalEffect } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { NumberField } from '../ui/fields.tsx';
import { formatDifference } from '../ui/format.ts';
import { Equation } from './equation.tsx';
import { exampleOf, limits, resize } from './example.ts';
import { HeldTables } from './held.tsx';
import { placeOf, stepCount } from './place.ts';
import { Steps } from './steps.tsx';
import { TokenNumbers, TokenWords } from './tokens.tsx';
import { type Trace, traceOf } from './trace.ts';

/** The step-by-step picture: forward through the tokens, then back. */
export function Walk() {
  const example = useSignal(exampleOf());
  const trace = useSignal<Trace | undefined>(undefined);
  const step = useSignal(2);
  const last = useComputed(() => stepCount(example.value.tokens.length));
  const section = useRef<HTMLElement>(null);

  useSignalEffect(() => {
    const wanted = example.value;
    void traceOf(wanted).then((found) => {
      if (example.peek() === wanted) trace.value = found;
    });
  });

  const go = (to: number) => {
    step.value = Math.min(last.peek(), Math.max(0, to));
  };
  useArrowKeys(section, (by) => go(Number.isFinite(by) ? step.peek() + by : by < 0 ? 0 : last.peek()));

  const { tokens, conditional, features } = example.value;
  const generated = tokens.length - conditional;
  const change = (sizes: { conditional?: number; generated?: number; features?: number }) => {
    const { tokens, conditional, features } = example.peek();
    const next = { conditional, generated: tokens.length - conditional, features, ...sizes };
    example.value = resize(example.peek(), next.conditional, next.generated, next.features);
    go(step.value);
  };
  const place = placeOf(step.value, tokens.length);
  // A trace of another length is a moment old: wait for the new one.
  const current = trace.value?.tokens.length === tokens.length ? trace.value : undefined;

  return (
    <section id="walk" ref={section} aria-labelledby="walk-title">
      <header class="lead">
        <h2 id="walk-title">Walk through it</h2>
        <p>
          Softmax attention writes down how much every token looks at every other: a table of n × n weights, kept for
          the gradient. Linear attention writes every token into one matrix S of fixed size, and each later token reads
          from it. The gradient goes the same way back, in a matrix of the same size.
        </p>
        <p>
          The first {conditional === 1 ? 'token is' : `${conditional} tokens are`} given (conditional); the{' '}
          {generated === 1 ? 'one after' : `${generated} after`} are generated, and only these are judged: each is asked
          to read back the value of a given token. Step through it with the buttons or the arrow keys, and change the
          words: every number is computed here, in float64, when you do.
        </p>
      </header>

      <div class="fields">
        <NumberField
          label="Given tokens"
          value={conditional}
          min={limits.conditional[0]}
          max={limits.conditional[1]}
          onChange={(value) => change({ conditional: Math.round(value) })}
        />
        <NumberField
          label="Generated tokens"
          value={generated}
          min={limits.generated[0]}
          max={limits.generated[1]}
          onChange={(value) => change({ generated: Math.round(value) })}
        />
        <NumberField
          label="Features D"
          value={features}
          min={limits.features[0]}
          max={limits.features[1]}
          onChange={(value) => change({ features: Math.round(value) })}
        />
      </div>

      <TokenWords example={example} place={place} />
      <Steps step={step.value} last={last.value} go={go} place={place} example={example.value} />
      {current && (
        <>
          <Equation trace={current} place={place} example={example.value} />
          <HeldTables place={place} tokens={tokens.length} features={features} />
          <TokenNumbers example={example} />
          <p class="note" data-testid="walk-check">
            One full pass of the library over all tokens gives the same: outputs differ by at most{' '}
            {formatDifference(current.difference.outputs)}, gradients by{' '}
            {formatDifference(current.difference.gradients)}. The loss is {current.loss.toFixed(4)}.
          </p>
        </>
      )}
    </section>
  );
}

/** Left, right, Home and End move through the steps while the section is in view, unless they are being typed somewhere. */
function useArrowKeys(section: { readonly current: HTMLElement | null }, move: (by: number) => void): void {
  const latest = useRef(move);
  latest.current = move;
  useEffect(() => {
    const steps: Readonly<Record<string, number>> = {
      ArrowLeft: -1,
      ArrowRight: 1,
      Home: Number.NEGATIVE_INFINITY,
      End: Number.POSITIVE_INFINITY,
    };
    const onKey = (event: KeyboardEvent) => {
      const by = steps[event.key];
      const typing = event.target instanceof Element && event.target.closest('input, select, textarea, [tabindex="0"]');
      if (by === undefined || typing || event.altKey || event.ctrlKey || event.metaKey) return;
      const { top, bottom } = section.current!.getBoundingClientRect();
      if (bottom < 0 || top > window.innerHeight) return;
      // Home and End scroll the page, unless a step's own button has the focus.
      const inside = event.target instanceof Node && section.current!.contains(event.target);
      if (!Number.isFinite(by) && !inside) return;
      event.preventDefault();
      latest.current(by);
    };
    document.addEventListener('keydown', onKey);
    return () => document.removeEventListener('keydown', onKey);
  }, [section]);
}
