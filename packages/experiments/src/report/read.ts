import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FormatError } from '@linattn/math';
import { experimentNames } from '../names.ts';
import type { ReportedSection } from './page.ts';

/**
 * The sections that a folder of experiments holds, in the order of the paper.
 * @throws FormatError where a folder's result.json is damaged.
 */
export async function readSections(folder: string): Promise<ReportedSection[]> {
  const sections: ReportedSection[] = [];
  for (const name of experimentNames) {
    const own = join(folder, name);
    const files: string[] = await readdir(own).catch(() => []);
    if (!files.includes('result.json') || !files.includes('section.md')) continue;
    const { title, scale } = await readResult(join(own, 'result.json'));
    const markdown = await readFile(join(own, 'section.md'), 'utf8');
    const figures = new Map<string, string>();
    for (const file of files.filter((each) => each.endsWith('.svg'))) {
      figures.set(file, await readFile(join(own, file), 'utf8'));
    }
    sections.push({ name, title, scale, markdown, figures });
  }
  return sections;
}

async function readResult(path: string): Promise<{ title: string; scale: string }> {
  const text = await readFile(path, 'utf8');
  try {
    const { title, scale } = JSON.parse(text);
    if (typeof title === 'string' && typeof scale === 'string') return { title, scale };
  } catch (cause) {
    throw new FormatError('result.json', `${path} is no JSON`, { given: path, cause });
  }
  throw new FormatError('result.json', `${path} is no experiment's result`, { given: path });
}
