import { effect } from '@preact/signals';
import type { TrainStore } from './store.ts';

/** Has the browser ask before the page is left, while its model is in no file. From and to the moment: not from the next frame on. */
export function askBeforeLeaving({ unsaved }: Pick<TrainStore, 'unsaved'>): () => void {
  const ask = (event: Event) => event.preventDefault();
  return effect(() => {
    if (!unsaved.value) return undefined;
    addEventListener('beforeunload', ask);
    return () => removeEventListener('beforeunload', ask);
  });
}
