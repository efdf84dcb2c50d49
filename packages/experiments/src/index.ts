export { OtherRunError } from './frame/errors.ts';
export { type Experiment, type Host, type Overrides, type Scale, scales, type Text } from './frame/experiment.ts';
export { type Result, type RunOptions, runExperiment } from './frame/run.ts';
export { type ExperimentName, experimentNames } from './names.ts';
export { experiments, findExperiment } from './registry.ts';
