import { type GPTNeoXConfig, type GPTNeoXOptions, resolveConfig } from './config.ts';
import { oneOf } from './ensure.ts';

/** What Hugging Face's config.json of a GPT-NeoX model says, under its older and its newer names. */
interface HuggingFaceConfig {
  readonly model_type?: string;
  readonly vocab_size?: number;
  readonly hidden_size?: number;
  readonly num_hidden_layers?: number;
  readonly num_attention_heads?: number;
  readonly intermediate_size?: number;
  readonly hidden_act?: string;
  readonly layer_norm_eps?: number;
  readonly tie_word_embeddings?: boolean;
  readonly use_parallel_residual?: boolean;
  readonly attention_bias?: boolean;
  readonly rotary_pct?: number;
  readonly rotary_emb_base?: number;
  readonly rope_parameters?: {
    readonly rope_type?: string;
    readonly rope_theta?: number;
    readonly partial_rotary_factor?: number;
  };
  /** What `configToHuggingFace` adds. */
  readonly linattn?: Pick<GPTNeoXOptions, 'attention' | 'dropout'>;
}

/**
 * The configuration of a Pythia or other GPT-NeoX model from its Hugging Face config.json. Attention is softmax, unless
 * `attention` is given or `configToHuggingFace` wrote the file.
 * @throws ValueError for another kind of model, or a part of it that is not supported (naming the key).
 */
export function configFromHuggingFace(
  json: unknown,
  { attention, dropout }: Pick<GPTNeoXOptions, 'attention' | 'dropout'> = {},
): GPTNeoXConfig {
  const file = (json ?? {}) as HuggingFaceConfig;
  oneOf('model_type', file.model_type, ['gpt_neox']);
  oneOf('hidden_act', file.hidden_act ?? 'gelu', ['gelu', 'silu']);
  oneOf('attention_bias', file.attention_bias ?? true, [true]);
  const rope = file.rope_parameters ?? {};
  oneOf('rope_parameters.rope_type', rope.rope_type ?? 'default', ['default']);
  return resolveConfig({
    vocabSize: file.vocab_size!,
    hiddenSize: file.hidden_size!,
    layers: file.num_hidden_layers!,
    heads: file.num_attention_heads!,
    intermediateSize: file.intermediate_size ?? 4 * file.hidden_size!,
    activation: (file.hidden_act ?? 'gelu') as GPTNeoXConfig['activation'],
    layerNormEpsilon: file.layer_norm_eps ?? 1e-5,
    tieEmbeddings: file.tie_word_embeddings ?? false,
    parallelResidual: file.use_parallel_residual ?? true,
    rotaryFraction: rope.partial_rotary_factor ?? file.rotary_pct ?? 0.25,
    rotaryBase: rope.rope_theta ?? file.rotary_emb_base ?? 10_000,
    attention: attention ?? file.linattn?.attention ?? { type: 'softmax' },
    // Modes of dropout depend on the attention.
    dropout: dropout ?? (attention ? undefined : file.linattn?.dropout),
  });
}

/** config.json as Hugging Face writes it, with linattn's attention and dropout under a key of their own. */
export const configToHuggingFace = (config: GPTNeoXConfig): HuggingFaceConfig & Record<string, unknown> => ({
  architectures: ['GPTNeoXForCausalLM'],
  model_type: 'gpt_neox',
  vocab_size: config.vocabSize,
  hidden_size: config.hiddenSize,
  num_hidden_layers: config.layers,
  num_attention_heads: config.heads,
  intermediate_size: config.intermediateSize,
  hidden_act: config.activation,
  layer_norm_eps: config.layerNormEpsilon,
  tie_word_embeddings: config.tieEmbeddings,
  use_parallel_residual: config.parallelResidual,
  attention_bias: true,
  rotary_pct: config.rotaryFraction,
  rotary_emb_base: config.rotaryBase,
  linattn: { attention: config.attention, dropout: config.dropout },
});
