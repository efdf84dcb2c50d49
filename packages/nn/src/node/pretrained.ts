import { join } from 'node:path';
import type { Backend } from '@linattn/math';
import { writeSafetensors } from '../checkpoint/safetensors.ts';
import { readAll } from '../checkpoint/weights.ts';
import type { GPTNeoXOptions } from '../config.ts';
import { configFromHuggingFace, configToHuggingFace } from '../hugging-face.ts';
import { GPTNeoX } from '../models/gpt-neox.ts';
import { writeAtomically } from './atomic.ts';
import { loadSafetensors, readJSON } from './files.ts';

/**
 * A GPT-NeoX model from a folder as Hugging Face lays it out: config.json and model.safetensors.
 * @param options.attention in place of the file's own (softmax, unless `savePretrained` wrote it); `dropout` likewise.
 * @throws FormatError, ValueError naming the file or key at fault.
 */
export async function loadPretrained(
  backend: Backend,
  folder: string,
  options: Pick<GPTNeoXOptions, 'attention' | 'dropout'> = {},
): Promise<GPTNeoX> {
  const config = configFromHuggingFace(await readJSON(join(folder, 'config.json')), options);
  return GPTNeoX.load(backend, config, await loadSafetensors(join(folder, 'model.safetensors')));
}

/** Writes config.json and model.safetensors, each whole or not at all. With softmax attention, `transformers` reads them. */
export async function savePretrained(model: GPTNeoX, folder: string): Promise<void> {
  const tensors = writeSafetensors(await readAll(model.parameters), { format: 'pt' });
  await writeAtomically(join(folder, 'model.safetensors'), tensors);
  await writeAtomically(join(folder, 'config.json'), `${JSON.stringify(configToHuggingFace(model.config), null, 2)}\n`);
}
