/** In the order of the report. */
export const experimentNames = ['figure-1', 'figure-2', 'figure-3', 'table-1', 'dropout-moments', 'numerics'] as const;
/** An experiment by its name, as `linattn reproduce` takes it. */
export type ExperimentName = (typeof experimentNames)[number];
