export { dropKeys, droppedWeight } from './key-dropout.ts';
export { matchedNoise } from './matched-noise.ts';
export { noisyAttention } from './noisy-attention.ts';
export { type DropoutMode, type DropoutOptions, dropoutModes } from './options.ts';
export { type ScaleNoiseOptions, scaleNoise } from './scale-noise.ts';
export { type Decay, type DecayName, decays, type RateSchedule, rateSchedule } from './schedule.ts';
