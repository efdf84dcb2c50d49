import { useEffect, useMemo } from 'preact/hooks';
import { resolveChoice } from '../backends/select.tsx';
import { Notice } from '../ui/notice.tsx';
import { FailureNotice } from './failure.tsx';
import { askBeforeLeaving } from './leaving.ts';
import { RunView } from './run-view.tsx';
import { SettingsForm } from './settings-form.tsx';
import { TrainStore } from './store.ts';
import { WriteView } from './write-view.tsx';

/** A small language model, trained in the tab, and its texts. */
export function Train() {
  const store = useMemo(() => new TrainStore(), []);
  const { ready, refusal, failure, doing } = store;
  const backend = resolveChoice(store.choice.value);
  useEffect(() => askBeforeLeaving(store), [store]);
  return (
    <section id="train" aria-labelledby="train-title">
      <header class="lead">
        <h2 id="train-title">Train it</h2>
        <p>
          A small language model learns to write, byte by byte, from nothing, in this tab. It learns from stories that
          the page makes up, or from a text of yours; neither leaves your device.
        </p>
        <p>
          Then let it write for as long as you like. With linear attention what it carries from one character to the
          next never grows. With softmax attention it carries every key and value since the beginning.
        </p>
      </header>
      <SettingsForm store={store} backend={backend} />
      <p class="doing" role="status">
        {doing.value && `${doing.value} …`}
      </p>
      {refusal.value && <Notice>{refusal.value}</Notice>}
      {failure.value && <FailureNotice store={store} failure={failure.value} />}
      {ready.value && (
        <>
          <RunView store={store} ready={ready.value} />
          {!failure.value && <WriteView store={store} ready={ready.value} />}
        </>
      )}
    </section>
  );
}
