import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createWasmBackend } from '@linattn/kernels-wasm';
import { onTestFinished } from 'vitest';
import type { Host, Text } from '../src/frame/experiment.ts';

/** A folder that is gone after the test. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'linattn-experiments-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Bytes of a text that repeats. */
function someText(): Text {
  const bytes = Buffer.from('a cat sat on the mat, and the cat was the hat. '.repeat(200));
  const tokens = Int32Array.from(bytes);
  return {
    description: 'a text that repeats',
    training: tokens.subarray(0, 8000),
    validation: tokens.subarray(8000),
    vocabSize: 256,
    charactersPerToken: 1,
    entropy: 2.5,
  };
}

export interface SilentHost extends Host {
  readonly lines: string[];
  readonly shares: number[];
}

/** A host that says nothing and remembers what it was told; it stops the run after so many backends, or pauses. */
export function silentHost({
  stopAfter = Number.POSITIVE_INFINITY,
  pauses = Number.POSITIVE_INFINITY,
} = {}): SilentHost {
  const lines: string[] = [];
  const shares: number[] = [];
  let opened = 0;
  let paused = 0;
  return {
    lines,
    shares,
    backendName: 'wasm',
    openBackend: () => {
      opened++;
      return createWasmBackend({ threads: 1 });
    },
    loadText: async () => someText(),
    readData: async () => undefined,
    pause: async () => {
      if (opened >= stopAfter || ++paused > pauses) throw new Error('stopped');
    },
    progress: ({ done }) => shares.push(done),
    line: (text) => lines.push(text),
  };
}
