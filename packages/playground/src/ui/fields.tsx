import type { ComponentChildren } from 'preact';
import { useId } from 'preact/hooks';
import { useDraft } from './draft.ts';

interface FieldProps {
  readonly label: string;
  readonly hint?: ComponentChildren;
  readonly disabled?: boolean;
}

export interface Choice<T extends string> {
  readonly value: T;
  readonly label: string;
  readonly disabled?: boolean;
}

/** A labelled list to choose one from. */
export function Select<T extends string>(
  props: FieldProps & {
    readonly value: T;
    readonly choices: readonly Choice<T>[];
    readonly onChange: (value: T) => void;
  },
) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{props.label}</label>
      <select
        id={id}
        value={props.value}
        disabled={props.disabled}
        onChange={(event) => props.onChange(event.currentTarget.value as T)}
        aria-describedby={props.hint ? `${id}-hint` : undefined}
      >
        {props.choices.map(({ value, label, disabled }) => (
          <option key={value} value={value} disabled={disabled} selected={value === props.value}>
            {label}
          </option>
        ))}
      </select>
      {props.hint && (
        <p class="hint" id={`${id}-hint`}>
          {props.hint}
        </p>
      )}
    </div>
  );
}

/** A labelled number in a range, taken over as it is typed; what is outside the range becomes its end when the field is left. */
export function NumberField(
  props: FieldProps & {
    readonly value: number;
    readonly min: number;
    readonly max: number;
    readonly step?: number;
    readonly onChange: (value: number) => void;
  },
) {
  const id = useId();
  const { min, max, step = 1 } = props;
  const draft = useDraft(String(props.value));
  return (
    <div class="field">
      <label for={id}>{props.label}</label>
      <input
        id={id}
        type="number"
        inputMode="decimal"
        value={draft.shown}
        {...{ min, max, step }}
        disabled={props.disabled}
        onInput={({ currentTarget: { value, valueAsNumber: number } }) => {
          draft.type(value);
          if (number >= min && number <= max) props.onChange(number);
        }}
        onBlur={({ currentTarget: { valueAsNumber: number } }) => {
          if (Number.isFinite(number)) props.onChange(Math.min(max, Math.max(min, number)));
          draft.leave();
        }}
        aria-describedby={props.hint ? `${id}-hint` : undefined}
      />
      {props.hint && (
        <p class="hint" id={`${id}-hint`}>
          {props.hint}
        </p>
      )}
    </div>
  );
}
