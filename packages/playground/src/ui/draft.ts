import { useState } from 'preact/hooks';

/** What stands in a field while it is typed in. */
export interface Draft {
  readonly shown: string;
  type(text: string): void;
  /** It is left: what stands there is what was taken over. */
  leave(): void;
}

/** Keeps what is being typed until the field is left, however often the page is drawn again meanwhile. */
export function useDraft(value: string): Draft {
  const [draft, setDraft] = useState<string | undefined>(undefined);
  return { shown: draft ?? value, type: setDraft, leave: () => setDraft(undefined) };
}
