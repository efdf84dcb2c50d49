import type { CaseReport } from '@linattn/math/conformance';

const folder = '.linattn/conformance';
const fileOf = (column: string) => `${column.replaceAll(/[^\w.-]+/g, '-')}.json`;

/** Keeps a backend's reports for tools/features, from Node or from a browser test. */
export async function saveReports(column: string, reports: readonly CaseReport[]): Promise<void> {
  const text = JSON.stringify(reports);
  if (typeof window === 'undefined') {
    const { mkdir, writeFile } = await import('node:fs/promises');
    const { join } = await import('node:path');
    const path = join(import.meta.dirname, '../..', folder);
    await mkdir(path, { recursive: true });
    await writeFile(join(path, fileOf(column)), text);
  } else {
    const { commands } = await import('vitest/browser');
    await commands.writeFile(`${folder}/${fileOf(column)}`, text);
  }
}
