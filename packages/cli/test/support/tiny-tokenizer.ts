/** A byte-level BPE of eight tokens. */
export const tinyTokenizer = {
  version: '1.0',
  added_tokens: [
    {
      id: 0,
      content: '<|endoftext|>',
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    },
  ],
  normalizer: null,
  pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
  post_processor: null,
  decoder: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
  model: {
    type: 'BPE',
    dropout: null,
    unk_token: null,
    continuing_subword_prefix: null,
    end_of_word_suffix: null,
    fuse_unk: false,
    byte_fallback: false,
    vocab: { '<|endoftext|>': 0, a: 1, b: 2, c: 3, Ġ: 4, ab: 5, Ġab: 6, '.': 7 },
    merges: ['a b', 'Ġ ab'],
  },
};
