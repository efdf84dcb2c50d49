export {
  type HostTensor,
  readSafetensors,
  type SafetensorsFile,
  type StoredTensor,
  writeSafetensors,
} from './checkpoint/safetensors.ts';
export {
  type AttentionConfig,
  type DropoutConfig,
  type GPTNeoXConfig,
  type GPTNeoXOptions,
  type LinearAttentionConfig,
  resolveConfig,
  type SoftmaxAttentionConfig,
} from './config.ts';
export * from './generation/generate.ts';
export * from './generation/sample.ts';
export * from './generation/snapshot.ts';
export { configFromHuggingFace, configToHuggingFace } from './hugging-face.ts';
export { SelfAttention, type SelfAttentionOptions } from './layers/attention.ts';
export { Block, type BlockOptions } from './layers/block.ts';
export { BlockMemory, evaluation, type ForwardContext } from './layers/context.ts';
export { Embedding } from './layers/embedding.ts';
export { Linear } from './layers/linear.ts';
export { type Activation, MLP, type MLPOptions } from './layers/mlp.ts';
export { LayerNorm, RMSNorm } from './layers/norm.ts';
export * from './models/classifier.ts';
export * from './models/gpt-neox.ts';
export { drawn, type Initializer, type ParameterSource, Parameters, under } from './parameters.ts';
export * from './training/adamw.ts';
export { type Batch, type BatchSource, withPrefix } from './training/data.ts';
export * from './training/examples.ts';
export * from './training/schedule.ts';
export { MismatchError, type TrainerState } from './training/state.ts';
export * from './training/trainer.ts';
export * from './training/windows.ts';
