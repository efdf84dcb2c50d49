import type { BackendName } from '../backends/names.ts';
import { BackendSelect } from '../backends/select.tsx';
import { NumberField, Select } from '../ui/fields.tsx';
import { FileButton } from '../ui/file-button.tsx';
import {
  type Attention,
  attentions,
  type Dropout,
  dropouts,
  lengths,
  rowsOf,
  type Size,
  sizes,
  softmaxDropouts,
  type TrainSettings,
} from './settings.ts';
import type { TrainStore } from './store.ts';

const keysOf = <T extends string>(table: Readonly<Record<T, unknown>>): T[] => Object.keys(table) as T[];

/** What to train, on what, and the buttons that begin, open and end a run. */
export function SettingsForm({ store, backend }: { readonly store: TrainStore; readonly backend?: BackendName }) {
  const settings = store.settings.value;
  const { ready, doing, file } = store;
  // A run keeps the settings that it began with.
  const busy = ready.value !== undefined || doing.value !== '';
  const set = (change: Partial<TrainSettings>) => {
    const next = { ...store.settings.peek(), ...change };
    const unknown = next.attention === 'softmax' && !softmaxDropouts.includes(next.dropout);
    store.settings.value = unknown ? { ...next, dropout: 'none' } : next;
  };
  const allowed = settings.attention === 'softmax' ? softmaxDropouts : keysOf(dropouts);
  const rows = rowsOf(settings);
  return (
    <form class="settings" onSubmit={(event) => event.preventDefault()}>
      <div class="fields">
        <Select<Attention>
          label="Attention"
          value={settings.attention}
          disabled={busy}
          choices={keysOf(attentions).map((value) => ({ value, label: attentions[value] }))}
          onChange={(attention) => set({ attention })}
        />
        <Select<Size>
          label="Model"
          value={settings.size}
          disabled={busy}
          choices={keysOf(sizes).map((value) => ({ value, label: sizes[value].label }))}
          onChange={(size) => set({ size })}
        />
        <Select
          label="Length"
          value={String(settings.seqLen)}
          disabled={busy}
          hint={`${rows} ${rows === 1 ? 'row' : 'rows'} of ${settings.seqLen} bytes a step`}
          choices={lengths.map((length) => ({ value: String(length), label: `${length} tokens` }))}
          onChange={(length) => set({ seqLen: Number(length) })}
        />
        <NumberField
          label="Steps"
          value={settings.steps}
          min={20}
          max={100_000}
          step={10}
          disabled={busy}
          onChange={(steps) => set({ steps: Math.round(steps) })}
        />
        <Select<Dropout>
          label="In place of dropout"
          value={settings.dropout}
          disabled={busy}
          choices={allowed.map((value) => ({ value, label: dropouts[value] }))}
          onChange={(dropout) => set({ dropout })}
        />
        <NumberField
          label="Rate at the start"
          value={settings.dropoutRate}
          min={0}
          max={0.9}
          step={0.05}
          disabled={busy || settings.dropout === 'none'}
          onChange={(dropoutRate) => set({ dropoutRate })}
        />
      </div>
      <BackendSelect choice={store.choice} disabled={busy} />
      <div class="actions">
        {busy ? (
          <button type="button" onClick={() => store.end()}>
            End this run
          </button>
        ) : (
          <button type="button" class="primary" disabled={!backend} onClick={() => backend && store.begin(backend)}>
            Train
          </button>
        )}
        <FileButton
          label={file.value ? `Text: ${file.value.name}` : 'Use a text of yours'}
          accept="text/*,.txt,.md,.json,.csv,.tex"
          onFile={(chosen) => store.take(chosen)}
        />
        {file.value && !busy && (
          <button type="button" onClick={() => store.take(undefined)}>
            Use the made-up stories
          </button>
        )}
        <FileButton
          label="Open a saved model"
          accept=".safetensors"
          disabled={!backend}
          onFile={(chosen) => backend && store.open(backend, chosen)}
        />
      </div>
    </form>
  );
}
