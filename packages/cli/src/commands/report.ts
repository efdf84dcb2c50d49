import { join } from 'node:path';
import { writeAtomically } from '@linattn/nn/node';
import { Command } from 'commander';
import { UsageError, withFile } from '../errors.ts';
import { Terminal } from '../terminal/terminal.ts';
import { reportFolder } from './reproduce.ts';

export function reportCommand(): Command {
  return new Command('report')
    .description('put the sections that `reproduce` wrote together as one web page')
    .option('--out <folder>', 'where the sections are; the page is its index.html', reportFolder)
    .action(async ({ out }: { readonly out: string }) => {
      const { readSections, renderReport } = await import('@linattn/experiments/report');
      const sections = await withFile('--out', out, () => readSections(out));
      if (sections.length === 0) {
        throw new UsageError('--out', `${out} holds no finished experiment; \`linattn reproduce NAME\` runs one`, {
          given: out,
        });
      }
      const path = join(out, 'index.html');
      await withFile('--out', path, async () => writeAtomically(path, await renderReport(sections)));
      new Terminal().line(`${sections.map(({ name }) => name).join(', ')}: ${path}`);
    });
}
