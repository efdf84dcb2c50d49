import { readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { brotliDecompressSync } from 'node:zlib';
import { Tokenizer } from '@huggingface/tokenizers';

const help = `tokens: a text as token ids, little-endian uint16 (uint32 where an id needs it, in a file that then ends in .u32)
  --tokenizer PATH  a Hugging Face tokenizer.json; .br is unpacked
  --text PATH       UTF-8, <|endoftext|> between documents; .br is unpacked
  --out PATH
`;

const { values } = parseArgs({
  options: {
    tokenizer: { type: 'string' },
    text: { type: 'string' },
    out: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});
if (values.help || !values.tokenizer || !values.text || !values.out) {
  console.log(help);
  process.exit(values.help ? 0 : 1);
}

// Package managers run scripts in the package's own folder.
const from = process.env.INIT_CWD ?? process.cwd();
const read = (path: string): string => {
  const bytes = readFileSync(resolve(from, path));
  return (path.endsWith('.br') ? brotliDecompressSync(bytes) : bytes).toString('utf8');
};
const endOfText = '<|endoftext|>';
const tokenizer = new Tokenizer(JSON.parse(read(values.tokenizer)), {});
const end = tokenizer.token_to_id(endOfText);
if (end === undefined) throw new Error(`${values.tokenizer} has no token ${endOfText}`);

const ids: number[] = [];
for (const document of read(values.text).split(endOfText)) {
  const text = document.trim();
  if (text === '') continue;
  ids.push(end);
  for (const id of tokenizer.encode(text, { add_special_tokens: false }).ids) ids.push(id);
}
const wide = ids.some((id) => id > 0xffff);
const path = resolve(from, wide ? `${values.out}.u32` : values.out);
writeFileSync(path, new Uint8Array((wide ? Uint32Array : Uint16Array).from(ids).buffer));
console.log(`${path}: ${ids.length} tokens`);
