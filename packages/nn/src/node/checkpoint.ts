import { createHash } from 'node:crypto';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { FormatError } from '@linattn/math';
import { type HostTensor, readSafetensors, type SafetensorsFile, writeSafetensors } from '../checkpoint/safetensors.ts';
import type { TrainerState } from '../training/state.ts';
import { writeAtomically } from './atomic.ts';
import { readBytes, readJSON } from './files.ts';

/** The file that makes a folder a checkpoint. It is written last: until then the folder is the checkpoint it was before. */
const manifestName = 'checkpoint.json';
const format = 'linattn-checkpoint';
const version = 1;

interface FileRecord {
  readonly name: string;
  readonly bytes: number;
  readonly sha256: string;
}

interface Manifest {
  readonly format: typeof format;
  readonly version: number;
  readonly step: number;
  readonly config: unknown;
  readonly settings: Readonly<Record<string, unknown>>;
  readonly extra: unknown;
  readonly model: FileRecord;
  readonly optimizer: FileRecord;
}

/** What a checkpoint's folder holds. */
export interface Checkpoint {
  readonly state: TrainerState;
  /** The model's parameters, for `GPTNeoX.load`. */
  readonly model: SafetensorsFile;
  /** What the caller stored beside it. */
  readonly extra: unknown;
}

/**
 * Stores a run in a folder: parameters and moments as safetensors, the rest as JSON. At any moment, also after a crash or a loss
 * of power, the folder holds a whole checkpoint: the old one or the new. Files of the old one are
 * removed at the end. One process at a time may save to a folder.
 * @param extra JSON of the caller's own, such as where the data and the tokenizer are.
 */
export async function saveCheckpoint(folder: string, state: TrainerState, extra: unknown = null): Promise<void> {
  const moments = [...prefixed('moment1.', state.moment1), ...prefixed('moment2.', state.moment2)];
  const manifest: Manifest = {
    format,
    version,
    step: state.step,
    config: state.config,
    settings: state.settings,
    extra,
    model: await store(folder, 'model', writeSafetensors(state.parameters, { format: 'pt' })),
    optimizer: await store(folder, 'optimizer', writeSafetensors(moments)),
  };
  await writeAtomically(join(folder, manifestName), `${JSON.stringify(manifest, null, 2)}\n`);
  await removeOthers(folder, [manifest.model.name, manifest.optimizer.name]);
}

/**
 * Reads a folder that `saveCheckpoint` wrote.
 * @throws FormatError naming the file, and the tensor where one is at fault, when a file is missing, cut short or changed.
 */
export async function loadCheckpoint(folder: string): Promise<Checkpoint> {
  const { step, config, settings, extra, ...files } = await readManifest(folder);
  const model = await fileOf(folder, files.model);
  const optimizer = await fileOf(folder, files.optimizer);
  const names = [...model.tensors.keys()];
  const readAll = (file: SafetensorsFile, prefix = '') =>
    new Map(names.map((name) => [name, file.read(prefix + name)]));
  const state: TrainerState = {
    step,
    config,
    settings,
    parameters: readAll(model),
    moment1: readAll(optimizer, 'moment1.'),
    moment2: readAll(optimizer, 'moment2.'),
  };
  return { state, model, extra };
}

const prefixed = (prefix: string, tensors: ReadonlyMap<string, HostTensor>) =>
  [...tensors].map(([name, tensor]) => [prefix + name, tensor] as const);

/** Files of former checkpoints, and of saves that did not come to their end. */
async function removeOthers(folder: string, current: readonly string[]): Promise<void> {
  const ours = /^(checkpoint\.json|(model|optimizer)-[0-9a-f]{16}\.safetensors)(\.[0-9a-f]{12}\.tmp)?$/;
  for (const name of await readdir(folder)) {
    if (ours.test(name) && name !== manifestName && !current.includes(name))
      await rm(join(folder, name), { force: true });
  }
}

/** Named by its content, so that no file of a former checkpoint is ever written over. */
async function store(folder: string, kind: string, contents: Uint8Array): Promise<FileRecord> {
  const sha256 = createHash('sha256').update(contents).digest('hex');
  const name = `${kind}-${sha256.slice(0, 16)}.safetensors`;
  await writeAtomically(join(folder, name), contents);
  return { name, bytes: contents.byteLength, sha256 };
}

async function fileOf(folder: string, { name, bytes, sha256 }: FileRecord): Promise<SafetensorsFile> {
  const path = join(folder, name);
  const contents = await readBytes(path);
  if (contents.byteLength !== bytes) {
    throw new FormatError(path, `it has ${contents.byteLength} bytes, ${manifestName} says ${bytes}`);
  }
  // A damaged header is told by its own message; the digest speaks for the numbers.
  const file = readSafetensors(contents, path);
  if (createHash('sha256').update(contents).digest('hex') !== sha256) {
    throw new FormatError(path, `its content changed since it was written (SHA-256 differs from ${manifestName})`);
  }
  return file;
}

async function readManifest(folder: string): Promise<Manifest> {
  const path = join(folder, manifestName);
  const manifest = (await readJSON(path)) as Partial<Manifest> | null;
  const fail = (message: string) => new FormatError(path, message);
  if (manifest?.format !== format) throw fail('it is no checkpoint of linattn');
  if (manifest.version !== version) throw fail(`version ${manifest.version}, where ${version} can be read`);
  if (!Number.isSafeInteger(manifest.step) || manifest.step! < 0) throw fail(`step is ${manifest.step}`);
  for (const kind of ['model', 'optimizer'] as const) {
    const { name, bytes, sha256 } = manifest[kind] ?? {};
    const plain = typeof name === 'string' && /^[\w-]+\.safetensors$/.test(name);
    if (!plain || !Number.isSafeInteger(bytes) || typeof sha256 !== 'string')
      throw fail(`its record of the ${kind} is damaged`);
  }
  return manifest as Manifest;
}
