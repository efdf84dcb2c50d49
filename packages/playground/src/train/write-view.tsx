import { useSignal } from '@preact/signals';
import { useId } from 'preact/hooks';
import { NumberField } from '../ui/fields.tsx';
import { formatBytes, formatCount } from '../ui/format.ts';
import { Scroll } from '../ui/scroll.tsx';
import type { Generation, Ready } from './protocol.ts';
import type { TrainStore } from './store.ts';

/** The model writes, for as long as it is let, beside what it carries along. */
export function WriteView({ store, ready }: { readonly store: TrainStore; readonly ready: Ready }) {
  const { writing, written, running } = store;
  const prompt = useSignal('Once upon a time');
  const temperature = useSignal(0.7);
  const seed = useSignal(1);
  const id = useId();
  const shown = written.value;
  const write = () => {
    store.write(prompt.value, temperature.value, seed.value);
    seed.value++;
  };
  return (
    <div class="write">
      <h3>Let it write</h3>
      <div class="fields">
        <div class="field prompt">
          <label for={id}>How the text begins</label>
          <input
            id={id}
            type="text"
            value={prompt.value}
            maxLength={2000}
            onInput={(event) => {
              prompt.value = event.currentTarget.value;
            }}
          />
        </div>
        <NumberField
          label="Temperature"
          value={temperature.value}
          min={0}
          max={2}
          step={0.1}
          onChange={(value) => {
            temperature.value = value;
          }}
        />
      </div>
      <div class="actions">
        <button
          type="button"
          class={writing.value ? '' : 'primary'}
          onClick={() => (writing.value ? store.stopWriting() : write())}
        >
          {writing.value ? 'Stop writing' : 'Write'}
        </button>
        {writing.value && running.value && <span class="note">Training waits while it writes.</span>}
      </div>
      {shown && (
        <>
          <Meter meter={shown.meter} softmax={ready.settings.attention === 'softmax'} />
          <Scroll label="The text" class="text" follow>
            {shown.cut ? <span class="note">… the end of a longer text: </span> : <b>{prompt.value}</b>}
            {shown.text}
          </Scroll>
        </>
      )}
    </div>
  );
}

/** What is carried from token to token, by the two kinds of attention. */
function Meter({ meter, softmax }: { readonly meter: Generation; readonly softmax: boolean }) {
  const { tokens, stateBytes, cacheBytes, linearBytes, tokensPerSecond } = meter;
  const rows = softmax
    ? ([
        ['Keys and values of all tokens, carried by this model', stateBytes],
        ['The state, in the same model with linear attention', linearBytes],
      ] as const)
    : ([
        ['The state, carried by this model', stateBytes],
        ['Keys and values, in the same model with softmax', cacheBytes],
      ] as const);
  const most = Math.max(...rows.map(([, bytes]) => bytes));
  return (
    <table class="bars meter">
      <caption>
        Carried along after {formatCount(tokens)} tokens, {formatCount(tokensPerSecond)} a second
      </caption>
      <tbody>
        {rows.map(([name, bytes]) => (
          <tr key={name}>
            <th scope="row">{name}</th>
            <td class="bar" aria-hidden="true">
              <span style={{ inlineSize: `${(100 * bytes) / most}%` }} />
            </td>
            <td class="count">{formatBytes(bytes)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
