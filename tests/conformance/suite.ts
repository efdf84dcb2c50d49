import type { Backend } from '@linattn/math';
import { type CaseReport, failureOf, type OpCase, opCases, runCase } from '@linattn/math/conformance';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { saveReports } from './save.ts';

export interface SuiteOptions {
  /** Default: all cases. */
  readonly filter?: (opCase: OpCase) => boolean;
}

/**
 * The whole conformance kit on one backend, a test a case. The reports are kept for the table in FEATURES.md.
 * @param column the backend's column in that table, and the file that the reports are kept in.
 */
export function conformanceSuite(
  column: string,
  create: () => Backend | Promise<Backend>,
  options: SuiteOptions = {},
): void {
  describe(`conformance: ${column}`, () => {
    const reports: CaseReport[] = [];
    let backend: Backend;
    beforeAll(async () => {
      backend = await create();
    });
    afterAll(async () => {
      await backend.dispose();
      await saveReports(
        column,
        reports.map((report) => ({ ...report, backend: column, error: undefined })),
      );
    });
    test.for(opCases.filter(options.filter ?? (() => true)).map((opCase) => [opCase.name, opCase] as const))(
      '%s',
      async ([, opCase], { skip }) => {
        const report = await runCase(backend, opCase);
        reports.push(report);
        expect(failureOf(report)).toBeUndefined();
        if (report.skipped) skip(report.skipped);
      },
    );
  });
}
