export * from '../gradcheck.ts';
export { type NamedTensors, type OpCase, opCase, type Tag, tolerances } from './case.ts';
export { opCases } from './cases/index.ts';
export { compare, type Difference } from './compare.ts';
export { coreOnly } from './core-only.ts';
export * from './inputs.ts';
export { type CaseReport, type ConformanceOptions, failureOf, recordCase, runCase, runConformance } from './run.ts';
export { conformanceTable } from './table.ts';
export { type CaseTiming, timeCase } from './time.ts';
