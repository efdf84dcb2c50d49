import { readDecodingState, type SnapshotOptions, writeDecodingState } from '../generation/snapshot.ts';
import type { DecodingState, GPTNeoX } from '../models/gpt-neox.ts';
import { writeAtomically } from './atomic.ts';
import { readBytes } from './files.ts';

/** Writes a place in a text to a file, whole or not at all. See `writeDecodingState`. */
export const saveDecodingState = async (
  path: string,
  model: GPTNeoX,
  state: DecodingState,
  options: SnapshotOptions = {},
): Promise<void> => writeAtomically(path, await writeDecodingState(model, state, options));

/** Reads what `saveDecodingState` wrote. @throws FormatError, MismatchError: see `readDecodingState`. */
export const loadDecodingState = async (
  path: string,
  model: GPTNeoX,
  options: SnapshotOptions = {},
): Promise<DecodingState> => readDecodingState(model, await readBytes(path), { ...options, name: path });
