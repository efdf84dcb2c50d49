import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Backend } from '@linattn/math';
import { GPTNeoX, generate, type SamplingOptions } from '@linattn/nn';
import { loadPretrained } from '@linattn/nn/node';
import { Command, Option } from 'commander';
import { backendNames, findBackend, openBackend } from '../backends.ts';
import { checkTokenizerFits, loadTokenizer, type Tokenizer } from '../data/tokenizer.ts';
import { UsageError } from '../errors.ts';
import { Interrupt, interruptedExitCode } from '../interrupt.ts';
import * as parse from '../options.ts';
import { formatCount } from '../terminal/format.ts';
import { Terminal } from '../terminal/terminal.ts';
import { RunFolder } from '../training/run-folder.ts';

interface GenerateCommandOptions extends SamplingOptions {
  readonly model?: string;
  readonly tokenizer?: string;
  readonly prompt: string;
  readonly maxTokens: number;
  readonly seed: number;
  readonly backend: string;
  readonly threads?: number;
  readonly float16?: boolean;
  readonly quiet?: boolean;
}

export function generateCommand(exit: (code: number) => void): Command {
  const option = <T>(
    flags: string,
    description: string,
    parser: (option: string) => (text: string) => T,
    value?: T,
  ) => {
    const made = new Option(flags, description);
    made.argParser(parser(made.long!));
    if (value !== undefined) made.default(value);
    return made;
  };
  return new Command('generate')
    .description('write text with a trained model')
    .option(
      '--model <folder>',
      "a run's folder, or a Hugging Face folder with config.json and model.safetensors (default: the newest run)",
    )
    .option('--tokenizer <bytes|file>', "bytes, or a tokenizer.json (default: the model's own)")
    .option('--prompt <text>', 'how the text begins', 'Once upon a time')
    .addOption(option('--max-tokens <n>', 'longest text', parse.count, 500))
    .addOption(option('--temperature <t>', '0: always the likeliest token', parse.notNegative, 0.8))
    .addOption(option('--top-k <k>', 'choose from the k likeliest tokens only', parse.count))
    .addOption(option('--top-p <p>', 'choose from the fewest tokens whose probabilities reach p', parse.shareOrOne))
    .addOption(option('--seed <n>', 'equal seeds give equal texts', parse.integer, 1))
    .addOption(new Option('--backend <name>', backendNames.join(' | ')).default('auto'))
    .addOption(option('--threads <n>', 'threads of the backend wasm (default: one a processor)', parse.count))
    .option('--float16', 'hold the weights in float16: half the memory (backends webgpu and webgpu-units)')
    .option('-q, --quiet', 'nothing but the text')
    .action(async (options: GenerateCommandOptions) => {
      exit(await runGenerate(options));
    });
}

async function runGenerate(options: GenerateCommandOptions): Promise<number> {
  if (options.backend !== 'auto') findBackend(options.backend);
  const notes = new Terminal(process.stderr, { quiet: options.quiet });
  const terminal = new Terminal();
  using interrupt = new Interrupt();
  const { tokenizer, load, name } = await findModel(options);
  const backend = await openBackend(options.backend, { threads: options.threads });
  try {
    if (options.float16 && !backend.toFloat16) {
      throw new UsageError('--float16', `the backend ${backend.name} has no storage in float16; add --backend webgpu`, {
        given: backend.name,
      });
    }
    const model = await load(backend);
    try {
      if (options.float16) model.storeInFloat16();
      checkTokenizerFits(tokenizer, model.config.vocabSize);
      notes.line(notes.color.dim(`${name} on ${backend.name}`));
      const { prompt, maxTokens, temperature, topK, topP, seed } = options;
      const started = performance.now();
      const written = await continueText(model, tokenizer, {
        prompt,
        maxTokens,
        temperature,
        topK,
        topP,
        seed,
        write: (text) => terminal.result(text),
        style: { prompt: terminal.color.bold, note: terminal.color.dim },
        interrupt,
      });
      const seconds = (performance.now() - started) / 1000;
      notes.line(notes.color.dim(`${written} tokens, ${formatCount(written / seconds)} tokens/s`));
      return interrupt.requested ? interruptedExitCode : 0;
    } finally {
      model.dispose();
    }
  } finally {
    await backend.dispose();
  }
}

interface FoundModel {
  readonly name: string;
  readonly tokenizer: Tokenizer;
  readonly load: (backend: Backend) => Promise<GPTNeoX>;
}

const exists = async (path: string): Promise<boolean> => (await stat(path).catch(() => undefined)) !== undefined;

async function findModel({ model, tokenizer: named }: GenerateCommandOptions): Promise<FoundModel> {
  if (model !== undefined && !(await exists(model)))
    throw new UsageError('--model', `there is no folder ${model}`, { given: model });
  if (model !== undefined && (await exists(join(model, 'config.json')))) {
    const beside = join(model, 'tokenizer.json');
    if (named === undefined && !(await exists(beside))) {
      throw new UsageError('--tokenizer', `${model} has no tokenizer.json; name one, or bytes`, { given: model });
    }
    return {
      name: model,
      tokenizer: await loadTokenizer(named ?? beside),
      load: (backend) => loadPretrained(backend, model),
    };
  }
  const folder = await RunFolder.find(model, '--model');
  const settings = await folder.settings();
  return {
    name: folder.path,
    tokenizer: named === undefined ? await folder.tokenizer(settings) : await loadTokenizer(named),
    load: async (backend) => {
      const checkpoint = await folder.checkpoint();
      return GPTNeoX.load(backend, settings.model, checkpoint.model);
    },
  };
}

export interface ContinueOptions extends SamplingOptions {
  readonly prompt: string;
  readonly maxTokens: number;
  readonly seed: number;
  readonly write: (text: string) => void;
  readonly style: { readonly prompt: (text: string) => string; readonly note: (text: string) => string };
  readonly interrupt: Interrupt;
}

/** Writes the prompt and the model's continuation as it comes, up to the end of the text; tells how many tokens it took. */
export async function continueText(model: GPTNeoX, tokenizer: Tokenizer, options: ContinueOptions): Promise<number> {
  const { prompt, write, style, interrupt, ...sampling } = options;
  const ids: number[] = [];
  // Decoded together with the tokens before, since some tokenizers treat the first token of a text in its own way.
  let [context, shown] = [0, 0];
  write(style.prompt(prompt));
  for await (const id of generate(model, [tokenizer.endOfText, ...tokenizer.encode(prompt)], {
    ...sampling,
    stop: [tokenizer.endOfText],
  })) {
    ids.push(id);
    const before = tokenizer.decode(ids.slice(context, shown));
    const text = tokenizer.decode(ids.slice(context));
    // A character of several tokens is shown when it is whole.
    if (text.length > before.length && !text.endsWith('\ufffd')) {
      write(text.slice(before.length));
      [context, shown] = [shown, ids.length];
    }
    await interrupt.yield();
    if (interrupt.requested) break;
  }
  write('\n');
  return ids.length;
}
