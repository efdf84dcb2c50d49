import { FormatError, LinattnError } from '@linattn/math';
import type { TrainerState } from '@linattn/nn';
import type { BackendName } from '../backends/names.ts';
import { type OpenBackend, openBackend } from '../backends/open.ts';
import { type Corpus, fileCorpus, storyCorpus } from './corpus.ts';
import { storiesName } from './corpus-names.ts';
import { readModelFile, writeModelFile } from './model-file.ts';
import type { Command, LossPoint, Report } from './protocol.ts';
import { Session, Writer } from './session.ts';
import type { TrainSettings } from './settings.ts';

// One loop: commands first, then a token of a text that is being written, then a step of training. Whatever fails stops it, is told,
// and leaves the last snapshot to go on from.

/** Between snapshots, and between samples, while training. */
const snapshotEveryMs = 15_000;
const sampleEveryMs = 12_000;
const reportEveryMs = 120;
const sampleTokens = 160;

const commands: Command[] = [];
let wake: (() => void) | undefined;

let opened: OpenBackend | undefined;
let session: Session | undefined;
let writer: Writer | undefined;
let written = '';
let running = false;
/** What a new backend goes on from. */
let plan: { settings: TrainSettings; corpus: Corpus | undefined; snapshot?: TrainerState } | undefined;
let points: LossPoint[] = [];
let tokensPerSecond = 0;
/** Steps since the backend was opened, and what the latest came to, the older the less. */
const recent = { steps: 0, tokens: 0, milliseconds: 0 };
const last = { snapshot: 0, sample: 0, report: 0 };

const tell = (report: Report, transfer: Transferable[] = []) => postMessage(report, { transfer });
const doing = (text: string) => tell({ type: 'doing', text });

/** Takes commands from now on. */
export function serveTraining(): void {
  addEventListener('message', ({ data }: MessageEvent<Command>) => {
    commands.push(data);
    wake?.();
  });
  void work();
}

/** Lets messages in: promises alone never would, as kernels of WebAssembly run at once. */
const { port1, port2 } = new MessageChannel();
const turn = () =>
  new Promise<void>((resolve) => {
    port1.onmessage = () => resolve();
    port2.postMessage(0);
  });

async function work(): Promise<never> {
  for (;;) {
    try {
      const command = commands.shift();
      if (command) await obey(command);
      else if (writer) await write(writer);
      else if (running && session) await train(session);
      else await new Promise<void>((resolve) => (wake = resolve));
    } catch (error) {
      // A file that cannot be used harms nothing that is there.
      if (error instanceof FormatError) tell({ type: 'refused', message: error.message });
      else await fail(error);
    }
    await turn();
  }
}

async function obey(command: Command): Promise<void> {
  switch (command.type) {
    case 'begin': {
      doing(command.text ? 'reading the text' : 'making up stories');
      const { settings, text } = command;
      plan = { settings, corpus: text ? fileCorpus(text, settings.seqLen) : storyCorpus() };
      return start(command.backend, true);
    }
    case 'open': {
      doing('reading the model');
      const { settings, corpus, state } = readModelFile(command.file.bytes, command.file.name);
      const text = command.text?.name === corpus ? command.text : undefined;
      if (corpus === storiesName) doing('making up stories');
      const found = corpus === storiesName ? storyCorpus() : text && fileCorpus(text, settings.seqLen);
      plan = { settings, corpus: found, snapshot: state };
      return start(command.backend, false, corpus);
    }
    case 'text':
      if (!session || !plan) return;
      plan.corpus = session.corpus = fileCorpus(command.text, session.settings.seqLen);
      return ready();
    case 'run':
      running = command.running && session?.corpus !== undefined;
      if (!running) flush();
      return tell({ type: 'running', running });
    case 'generate':
      if (!session) return;
      stopWriting();
      written = '';
      writer = new Writer(session.model, command.prompt, command);
      return;
    case 'stop generating':
      return stopWriting();
    case 'save':
      return save();
    case 'recover':
      return start(command.backend, plan?.corpus !== undefined);
  }
}

async function start(name: BackendName, run: boolean, corpusName?: string): Promise<void> {
  const { settings, corpus, snapshot } = plan!;
  await close();
  doing('opening the backend');
  opened = await openBackend(name, {
    onCompile: (done, total) => doing(done < total ? `compiling kernels, ${done} of ${total}` : ''),
  });
  session = new Session(opened.backend, settings, corpus, snapshot);
  tokensPerSecond = recent.steps = recent.tokens = recent.milliseconds = 0;
  last.snapshot = last.sample = performance.now();
  ready(corpusName);
  running = run;
  tell({ type: 'running', running });
  if (run) doing('taking the first step, which may have kernels to compile');
}

function ready(corpusName = ''): void {
  const { parameters, settings, trainer, corpus } = session!;
  tell({
    type: 'ready',
    backend: opened!.description,
    parameters,
    settings,
    step: trainer.steps,
    corpus: corpus
      ? { name: corpus.name, bytes: corpus.training.length + corpus.heldOut.length, entropy: corpus.entropy }
      : { missing: corpusName },
  });
}

async function train(session: Session): Promise<void> {
  const { trainer } = session;
  const { value } = await session.results.next();
  const { step, loss, tokens, milliseconds } = value!;
  points.push({ step: step + 1, loss });
  // The first compile kernels. Sums: a step that was under way while something else was done took next to no time when it is asked for.
  if (++recent.steps > 2) {
    recent.tokens = 0.9 * recent.tokens + tokens;
    recent.milliseconds = 0.9 * recent.milliseconds + milliseconds;
    tokensPerSecond = (1000 * recent.tokens) / recent.milliseconds;
  }
  const now = performance.now();
  if (now - last.report > reportEveryMs) flush();
  const planned = step + 1 === session.settings.steps;
  if (planned || now - last.sample > sampleEveryMs || step === 19) await sample(session);
  if (performance.now() - last.snapshot > snapshotEveryMs) {
    plan!.snapshot = await trainer.state();
    last.snapshot = performance.now();
  }
  if (planned) {
    running = false;
    flush();
    tell({ type: 'running', running });
  }
}

function flush(): void {
  if (points.length > 0) {
    const { bytes, pooledBytes } = opened!.backend.memory();
    tell({ type: 'steps', points, tokensPerSecond, memory: { tensors: bytes, pooled: pooledBytes } });
    points = [];
  }
  last.report = performance.now();
}

/** What the model writes by now, and how well it knows a text that it was not trained on. */
async function sample(session: Session): Promise<void> {
  flush();
  const step = session.trainer.steps;
  const heldOut = await session.heldOut();
  const author = new Writer(session.model, '', { temperature: 0.7, seed: step });
  let text = '';
  try {
    while (author.tokens < sampleTokens) text += await author.next();
  } finally {
    author.dispose();
  }
  tell({ type: 'sample', step, heldOut, text: text.trim() });
  last.sample = performance.now();
}

async function write(author: Writer): Promise<void> {
  written += await author.next();
  if (performance.now() - last.report > reportEveryMs) tellWritten(author, false);
}

function tellWritten(author: Writer, done: boolean): void {
  tell({ type: 'generated', text: written, done, ...author.report });
  written = '';
  last.report = performance.now();
}

function stopWriting(): void {
  if (!writer) return;
  tellWritten(writer, true);
  writer.dispose();
  writer = undefined;
}

async function save(): Promise<void> {
  if (!session) return;
  const state = await session.trainer.state();
  const corpus = session.corpus?.name ?? storiesName;
  const bytes = writeModelFile({ settings: session.settings, corpus, state });
  const { step } = state;
  tell({ type: 'saved', name: `linattn-step-${step}.safetensors`, step, bytes }, [bytes.buffer as ArrayBuffer]);
}

async function close(): Promise<void> {
  // A backend that has failed may fail again at being put away: it is given up either way.
  try {
    writer?.dispose();
    session?.dispose();
    await opened?.backend.dispose();
  } catch {}
  writer = session = opened = undefined;
}

async function fail(error: unknown): Promise<void> {
  running = false;
  points = [];
  await close();
  tell({ type: 'running', running });
  tell({
    type: 'failed',
    code: error instanceof LinattnError ? error.code : 'UNEXPECTED',
    message: error instanceof Error ? error.message : String(error),
    resumeAt: plan && (plan.snapshot?.step ?? 0),
  });
}
