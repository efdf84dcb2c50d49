import { formatCount, formatDuration, formatPercent } from '../terminal/format.ts';
import { table } from '../terminal/table.ts';
import type { Terminal } from '../terminal/terminal.ts';
import type { Corpus } from './corpus.ts';
import type { RunFolder } from './run-folder.ts';
import type { SessionResult } from './session.ts';

/** What a finished run has come to. */
export function reportResults(
  terminal: Terminal,
  { steps, seconds, validationLoss, recall }: SessionResult,
  corpus: Corpus,
  folder: RunFolder,
): void {
  const { bold, dim } = terminal.color;
  const say = (label: string, text: string) => terminal.line(`${dim(label.padEnd(10))} ${text}`);
  terminal.line();
  if (validationLoss !== undefined) {
    const perCharacter = validationLoss / corpus.charactersPerToken;
    const bits = validationLoss / corpus.bytesPerToken / Math.LN2;
    say('validation', `${bold(`${perCharacter.toFixed(4)} nats/char`)}, ${bits.toFixed(4)} bits/byte`);
    say('', `order-0 entropy of the text: ${corpus.entropy.toFixed(4)} nats/char`);
  }
  if (recall) {
    const share = ({ right, total }: { right: number; total: number }) =>
      total === 0 ? '–' : formatPercent(right / total);
    say('recall', `${bold(share(recall.all))} of ${recall.all.total} words that only the story's beginning tells`);
    const kinds = Object.entries(recall.byKind);
    const near = recall.byDistance.filter(({ total }) => total > 0);
    for (const line of table([
      ['', ...kinds.map(([kind]) => kind)],
      ['  right', ...kinds.map(([, tally]) => share(tally))],
      ['  by chance', ...kinds.map(([, { chance }]) => formatPercent(chance))],
    ])) {
      say('', line);
    }
    for (const line of table([
      ['  characters back', ...near.map(({ from, to }) => (Number.isFinite(to) ? `${from}–${to}` : `${from}+`))],
      ['  right', ...near.map(share)],
    ])) {
      say('', line);
    }
  }
  say('time', `${formatDuration(seconds)}, ${formatCount(steps)} steps`);
  say('files', `${folder.path}: checkpoint, log.jsonl, curve.svg, result.json`);
}
