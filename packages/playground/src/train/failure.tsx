import { backendLabels, nextAfter } from '../backends/names.ts';
import { reports } from '../backends/reports.ts';
import { Notice } from '../ui/notice.tsx';
import type { Failure, TrainStore } from './store.ts';

/** What failed, and the ways to go on: on the same backend, opened anew, or on the next one that works. */
export function FailureNotice({ store, failure }: { readonly store: TrainStore; readonly failure: Failure }) {
  const { message, backend, resumeAt } = failure;
  const other = nextAfter(backend, reports.value);
  const from = resumeAt === 0 ? 'from the beginning' : `from step ${resumeAt}`;
  return (
    <Notice>
      <p>
        <strong>{backendLabels[backend]} stopped:</strong> {message}
      </p>
      {resumeAt !== undefined && (
        <div class="actions">
          {other && (
            <button type="button" class="primary" onClick={() => store.recover(other)}>
              Go on with {backendLabels[other]}, {from}
            </button>
          )}
          <button type="button" onClick={() => store.recover(backend)}>
            Try {backendLabels[backend]} again
          </button>
        </div>
      )}
    </Notice>
  );
}
