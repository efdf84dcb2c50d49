import type { CaseReport } from './run.ts';

interface Cell {
  value: number;
  gradient: number | undefined;
  kernel: boolean;
  failed: number;
  cases: number;
  skipped: number;
}

const scientific = (x: number): string => (x === 0 ? '0' : Number.isNaN(x) ? 'NaN' : x.toExponential(1));

// NaN is the largest error there is.
const worst = (x: number, y: number): number => (Number.isNaN(x) || Number.isNaN(y) ? Number.NaN : Math.max(x, y));

function summarise(reports: readonly CaseReport[]): Cell {
  const cell: Cell = { value: 0, gradient: undefined, kernel: false, failed: 0, cases: 0, skipped: 0 };
  for (const report of reports) {
    cell.kernel ||= report.kernel;
    if (report.skipped !== undefined) cell.skipped++;
    else cell.cases++;
    if (!report.passed) cell.failed++;
    for (const { gradient, finite, normError } of report.differences) {
      // Reports that were kept as JSON have null for NaN.
      const error = finite ? normError : Number.NaN;
      if (gradient) cell.gradient = worst(cell.gradient ?? 0, error);
      else cell.value = worst(cell.value, error);
    }
  }
  return cell;
}

function describe({ value, gradient, kernel, failed, cases, skipped }: Cell): string {
  if (cases === 0) return `skipped (${skipped})`;
  const errors = scientific(value) + (gradient === undefined ? '' : ` / ${scientific(gradient)}`);
  return `${errors}${kernel ? '' : ' (composed)'}${skipped > 0 ? ` (${skipped} skipped)` : ''}${failed > 0 ? ` **${failed} of ${cases} failed**` : ''}`;
}

/**
 * A Markdown table of the largest relative norm error by operation and backend: of values, then of gradients where there are any.
 * `(composed)` marks operations without a kernel of the backend's own.
 */
export function conformanceTable(reports: readonly CaseReport[]): string {
  const backends = [...new Set(reports.map(({ backend }) => backend))];
  const ops = [...new Set(reports.map(({ op }) => op))];
  const heading = backends.map((name) => {
    const { precision, tolerance } = reports.find(({ backend }) => backend === name)!;
    return `${name} (${precision}, tolerance ${tolerance.toExponential()})`;
  });
  const row = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [
    row(['operation', 'cases', ...heading]),
    row(['---', '---:', ...backends.map(() => '---')]),
    ...ops.map((op) => {
      const own = reports.filter((report) => report.op === op);
      const cells = backends.map((name) => {
        const here = own.filter(({ backend }) => backend === name);
        return here.length === 0 ? '' : describe(summarise(here));
      });
      return row([`\`${op}\``, String(new Set(own.map(({ name }) => name)).size), ...cells]);
    }),
    '',
  ].join('\n');
}
