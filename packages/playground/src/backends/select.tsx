import type { Signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { Select } from '../ui/fields.tsx';
import { automaticChoice, type BackendName, backendLabels, backendNames } from './names.ts';
import { askForReports, reports } from './reports.ts';

export type BackendChoice = BackendName | 'auto';

/** The backend that a choice means; undefined while that is being found out. */
export function resolveChoice(choice: BackendChoice): BackendName | undefined {
  return choice === 'auto' ? automaticChoice(reports.value)?.name : choice;
}

/** Where to compute, and why there. */
export function BackendSelect({
  choice,
  disabled,
}: {
  readonly choice: Signal<BackendChoice>;
  readonly disabled?: boolean;
}) {
  useEffect(askForReports, []);
  const found = reports.value;
  const automatic = automaticChoice(found);
  const named = found.find(({ name }) => name === choice.value);
  const hint =
    choice.value === 'auto'
      ? (automatic?.why ?? 'Finding out what works here.')
      : named
        ? `${backendLabels[named.name]}: ${named.detail}.`
        : undefined;
  return (
    <div class="backend">
      <Select<BackendChoice>
        label="Computed by"
        value={choice.value}
        disabled={disabled}
        hint={hint}
        choices={[
          {
            value: 'auto',
            label: automatic ? `${backendLabels[automatic.name]} (chosen for you)` : 'what suits this device',
          },
          ...backendNames.map((name) => {
            const report = found.find((each) => each.name === name);
            const missing = report && !report.available;
            return { value: name, label: `${backendLabels[name]}${missing ? ': not here' : ''}`, disabled: missing };
          }),
        ]}
        onChange={(value) => {
          choice.value = value;
        }}
      />
    </div>
  );
}
