import type { ComponentChildren } from 'preact';
import { formatCell } from './format.ts';

export interface MatrixProps {
  /** Names the matrix, for everybody. */
  readonly caption: ComponentChildren;
  readonly values: readonly (readonly number[])[];
  readonly rows: readonly string[];
  readonly columns: readonly string[];
  /** The magnitude that gets the full colour. */
  readonly scale: number;
  /** Cells without a value yet (or ever). */
  readonly hidden?: (row: number, column: number) => boolean;
  /** The row that the present step is about. */
  readonly current?: number;
  /** Set apart from the others. */
  readonly quiet?: boolean;
}

/** A matrix as a heat map with its numbers: orange below zero, blue above. A table, for those who do not see colours. */
export function Matrix({ caption, values, rows, columns, scale, hidden, current, quiet }: MatrixProps) {
  return (
    <table class={`matrix${quiet ? ' quiet' : ''}`}>
      <caption>{caption}</caption>
      <thead>
        <tr>
          <td />
          {columns.map((name, j) => (
            <th key={j} scope="col">
              {name}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {values.map((row, i) => (
          <tr key={i} class={i === current ? 'current' : undefined}>
            <th scope="row">{rows[i]}</th>
            {row.map((value, j) => (
              <Cell key={j} value={hidden?.(i, j) ? undefined : value} scale={scale} />
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Cell({ value, scale }: { readonly value: number | undefined; readonly scale: number }) {
  if (value === undefined) return <td class="absent" />;
  const strength = scale > 0 ? Math.min(1, Math.abs(value) / scale) : 0;
  const colour = value < 0 ? 'var(--negative)' : 'var(--positive)';
  const background = `color-mix(in oklab, ${colour} ${(55 * Math.sqrt(strength)).toFixed(0)}%, var(--cell))`;
  return <td style={{ background }}>{formatCell(value)}</td>;
}

/** The largest magnitude among some matrices: their common scale of colours. */
export const largest = (...matrices: readonly (readonly (readonly number[])[])[]): number =>
  matrices.flat(2).reduce((most, value) => Math.max(most, Math.abs(value)), 0);
