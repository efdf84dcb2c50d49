import { mkdir, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { FormatError } from '@linattn/math';
import type { TrainerState } from '@linattn/nn';
import { type Checkpoint, loadCheckpoint, saveCheckpoint, writeAtomically } from '@linattn/nn/node';
import { bytesTokenizer, type Tokenizer, tokenizerFromJson } from '../data/tokenizer.ts';
import { UsageError, withFile } from '../errors.ts';
import type { RunResult } from './result.ts';
import type { TrainingSettings } from './settings.ts';

/** Where runs are kept unless `--out` says otherwise, under the working folder. */
const runsFolder = join('.linattn', 'runs');

const isFile = async (path: string): Promise<boolean> => (await stat(path).catch(() => undefined))?.isFile() ?? false;

/** A folder that holds one training run: run.json, tokenizer.json, log.jsonl, curve.svg, checkpoint/ and, in the end, result.json. */
export class RunFolder {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  /** A new run's folder, named by the time. */
  static fresh(now = new Date()): RunFolder {
    const stamp = now.toISOString().slice(0, 19).replaceAll(':', '-');
    return new RunFolder(join(runsFolder, stamp));
  }

  /**
   * The folder given, or the newest run that has a checkpoint.
   * @throws UsageError when there is none.
   */
  static async find(path: string | undefined, argument: string): Promise<RunFolder> {
    if (path !== undefined) {
      const folder = new RunFolder(path);
      if (!(await isFile(folder.settingsPath))) {
        throw new UsageError(argument, `${path} is no run's folder (it has no run.json)`, { given: path });
      }
      return folder;
    }
    const names = await readdir(runsFolder).catch(() => []);
    for (const name of names.sort().reverse()) {
      const folder = new RunFolder(join(runsFolder, name));
      if (await folder.hasCheckpoint()) return folder;
    }
    throw new UsageError(argument, `there is no run in ${runsFolder}; \`linattn train\` makes one`);
  }

  get settingsPath(): string {
    return join(this.path, 'run.json');
  }

  get logPath(): string {
    return join(this.path, 'log.jsonl');
  }

  get curvePath(): string {
    return join(this.path, 'curve.svg');
  }

  get checkpointPath(): string {
    return join(this.path, 'checkpoint');
  }

  hasCheckpoint(): Promise<boolean> {
    return isFile(join(this.checkpointPath, 'checkpoint.json'));
  }

  /** Makes the folder, with the run's settings and tokenizer. */
  async begin(settings: TrainingSettings, tokenizer: Tokenizer): Promise<void> {
    await withFile('--out', this.path, async () => {
      await mkdir(this.path, { recursive: true });
      if (tokenizer.source) await writeAtomically(join(this.path, 'tokenizer.json'), tokenizer.source);
      await writeAtomically(this.settingsPath, `${JSON.stringify(settings, null, 2)}\n`);
    });
  }

  /** @throws FormatError when run.json is damaged or of another version. */
  async settings(): Promise<TrainingSettings> {
    const text = await withFile('run.json', this.settingsPath, () => readFile(this.settingsPath, 'utf8'));
    try {
      const settings = JSON.parse(text) as TrainingSettings;
      if (settings?.version === 1 && typeof settings.data === 'string' && settings.model) return settings;
    } catch (cause) {
      throw new FormatError('run.json', `${this.settingsPath} is no JSON`, { cause });
    }
    throw new FormatError('run.json', `${this.settingsPath} does not describe a run of this version`);
  }

  async tokenizer({ tokenizer }: TrainingSettings): Promise<Tokenizer> {
    if (tokenizer === 'bytes') return bytesTokenizer;
    const path = join(this.path, tokenizer);
    return tokenizerFromJson(await withFile('--tokenizer', path, () => readFile(path, 'utf8')), path);
  }

  /** Whole or not at all; `seconds` is how long the run has computed so far. */
  saveCheckpoint(state: TrainerState, seconds: number): Promise<void> {
    return withFile('--out', this.checkpointPath, () => saveCheckpoint(this.checkpointPath, state, { seconds }));
  }

  /** @throws FormatError when it is missing, cut short or changed. */
  async checkpoint(): Promise<Checkpoint & { readonly seconds: number }> {
    const checkpoint = await loadCheckpoint(this.checkpointPath);
    const { seconds } = (checkpoint.extra ?? {}) as { seconds?: unknown };
    return { ...checkpoint, seconds: typeof seconds === 'number' ? seconds : 0 };
  }

  writeResult(result: RunResult): Promise<void> {
    const path = join(this.path, 'result.json');
    return withFile('--out', path, () => writeAtomically(path, `${JSON.stringify(result, null, 1)}\n`));
  }

  writeCurve(svg: string): Promise<void> {
    return withFile('--out', this.curvePath, () => writeAtomically(this.curvePath, svg));
  }
}
