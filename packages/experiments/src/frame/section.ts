/** Whether what was found agrees with what the paper says. */
export type Verdict = 'agrees' | 'contradicts' | 'adds';

const verdicts: Readonly<Record<Verdict, string>> = {
  agrees: 'Agrees with the paper',
  contradicts: 'Contradicts the paper',
  adds: 'Beyond the paper',
};

/** The part of the report that one experiment writes, as Markdown with figures beside it. */
export class Section {
  readonly #parts: string[] = [];
  readonly #figures = new Map<string, string>();
  readonly #derived: Record<string, unknown> = {};

  heading(text: string): this {
    return this.text(`### ${text}`);
  }

  /** A paragraph, in Markdown. */
  text(markdown: string): this {
    this.#parts.push(markdown.trim());
    return this;
  }

  /** Columns after the first `left` are aligned to the right. */
  table(head: readonly string[], rows: readonly (readonly string[])[], left = 1): this {
    const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
    const rule = `|${head.map((_, i) => (i < left ? '---|' : '---:|')).join('')}`;
    return this.text([line(head), rule, ...rows.map(line)].join('\n'));
  }

  /** An SVG document, kept in a file of its own. */
  figure(file: string, svg: string, caption: string): this {
    this.#figures.set(file, svg);
    return this.text(`![${caption}](${file})\n\n*${caption}*`);
  }

  /** Something found, with the numbers that show it. */
  finding(verdict: Verdict, markdown: string): this {
    return this.text(`> **${verdicts[verdict]}.** ${markdown}`);
  }

  /** Numbers worked out from the measurements, for programs. */
  derive(name: string, value: unknown): this {
    this.#derived[name] = value;
    return this;
  }

  get markdown(): string {
    return this.#parts.join('\n\n');
  }

  get figures(): ReadonlyMap<string, string> {
    return this.#figures;
  }

  get derived(): Readonly<Record<string, unknown>> {
    return this.#derived;
  }
}
