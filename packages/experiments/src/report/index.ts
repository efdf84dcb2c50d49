export { type ReportedSection, renderReport } from './page.ts';
export { readSections } from './read.ts';
