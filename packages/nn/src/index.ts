export * from './config.ts';
export * from './generation/generate.ts';
export * from './generation/sample.ts';
export * from './models/gpt-neox.ts';
export { drawn, type Initializer, type ParameterSource, Parameters, under } from './parameters.ts';
export * from './training/adamw.ts';
export * from './training/data.ts';
export * from './training/schedule.ts';
export * from './training/trainer.ts';
