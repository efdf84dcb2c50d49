export {
  type ComparisonColumn,
  type ComparisonRow,
  type ComparisonSettings,
  compareWithDropout,
  comparisonColumns,
} from './compare.ts';
export { measureNoise } from './measure.ts';
export { type AttentionProblem, type ExplicitAttention, explicitAttention, randomProblem } from './problem.ts';
export { dropoutVariance, type ExactMoments, enumerateDropout, sampleDropout } from './real-dropout.ts';
export { SampleMoments } from './sample.ts';
