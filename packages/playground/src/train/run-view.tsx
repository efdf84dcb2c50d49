import { FileButton } from '../ui/file-button.tsx';
import { formatBytes, formatCount } from '../ui/format.ts';
import { storiesName } from './corpus-names.ts';
import { LossChart } from './loss-chart.tsx';
import type { Ready } from './protocol.ts';
import type { TrainStore } from './store.ts';

/** A run as it goes: its curve, its numbers, what it writes by now. */
export function RunView({ store, ready }: { readonly store: TrainStore; readonly ready: Ready }) {
  const { losses, samples, step, running, tokensPerSecond, memory } = store;
  const { corpus, settings } = ready;
  const missing = 'missing' in corpus ? corpus.missing : undefined;
  // What failed has its own way to go on.
  const stopped = store.failure.value !== undefined;
  const newest = losses.value.at(-1);
  const sample = samples.value.at(-1);
  const facts: (readonly [string, string])[] = [
    ['Step', `${formatCount(step.value)} of ${formatCount(settings.steps)}`],
    ['Loss, nats a byte', newest ? newest.loss.toFixed(3) : '–'],
    ['Loss on unseen text', sample ? sample.heldOut.toFixed(3) : '–'],
    ['Tokens a second', tokensPerSecond.value ? formatCount(tokensPerSecond.value) : '–'],
    ['Memory in tensors', memory.value ? formatBytes(memory.value.tensors) : '–'],
    ['Kept for reuse', memory.value ? formatBytes(memory.value.pooled) : '–'],
  ];
  return (
    <div class="run">
      <p class="note">
        {formatCount(ready.parameters)} parameters, computed by {ready.backend}
        {'name' in corpus &&
          `; learning from ${corpus.name === storiesName ? 'made-up stories' : corpus.name}, ${formatBytes(corpus.bytes)}`}
        .
      </p>
      <div class="actions">
        <button
          type="button"
          class={running.value ? '' : 'primary'}
          disabled={missing !== undefined || stopped}
          onClick={() => store.run(!running.value)}
        >
          {running.value ? 'Pause' : step.value >= settings.steps ? 'Train further' : 'Go on'}
        </button>
        <button type="button" disabled={stopped} onClick={() => store.save()}>
          Save the model
        </button>
        {missing && (
          <FileButton label={`Choose ${missing} to train on`} accept="text/*" onFile={(file) => store.take(file)} />
        )}
      </div>
      {missing && (
        <p class="note">This model learnt from {missing}, which is not in its file. It can write without it.</p>
      )}
      <LossChart
        losses={losses.value}
        samples={samples.value}
        entropy={'entropy' in corpus ? corpus.entropy : 0}
        planned={settings.steps}
      />
      <p class="note legend">
        <span>
          <i class="key line" /> loss of each step and its moving mean
        </span>
        <span>
          <i class="key dot" /> loss on text that is never trained on
        </span>
      </p>
      <dl class="facts">
        {facts.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      {sample && (
        <div class="samples">
          <h3>What it writes by now</h3>
          <ol>
            {samples.value
              .slice(-4)
              .toReversed()
              .map(({ step, text }) => (
                <li key={step}>
                  <span class="note">step {formatCount(step)}</span>
                  <p>{text}</p>
                </li>
              ))}
          </ol>
        </div>
      )}
    </div>
  );
}
