import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type CaseReport, conformanceTable } from '@linattn/math/conformance';

// Writes the generated part of FEATURES.md from the reports that the conformance tests left behind.

const root = join(import.meta.dirname, '../..');
const folder = join(root, '.linattn/conformance');
const page = join(root, 'FEATURES.md');
const [begin, end] = ['<!-- generated: conformance -->', '<!-- /generated -->'];

const reports = readdirSync(folder)
  .sort()
  .flatMap((file): CaseReport[] => JSON.parse(readFileSync(join(folder, file), 'utf8')));
if (reports.length === 0) throw new Error(`No reports in ${folder}: run the conformance tests first.`);

const text = readFileSync(page, 'utf8');
const [before, after] = [text.indexOf(begin), text.indexOf(end)];
if (before < 0 || after < before) throw new Error(`${page} has lost its markers ${begin} … ${end}`);
writeFileSync(page, `${text.slice(0, before + begin.length)}\n\n${conformanceTable(reports)}\n${text.slice(after)}`);
console.log(
  `FEATURES.md: ${reports.length} reports of ${new Set(reports.map(({ backend }) => backend)).size} backends`,
);
