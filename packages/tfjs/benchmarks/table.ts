export interface Timed {
  readonly framework: string;
  readonly tokens: number;
  readonly work: string;
  readonly subject: string;
  readonly median: number;
  readonly ratio: number;
}

const digits = (x: number): string => (x >= 100 ? x.toFixed(0) : x.toPrecision(2));

/** Results as a Markdown table: what the command prints and the README quotes. */
export function table(results: readonly Timed[]): string {
  const rows = results
    .filter(({ subject }) => subject === 'adapter')
    .map(({ framework, tokens, work, median }) => {
      const ratioOf = (name: string) => {
        const other = results.find(
          (each) =>
            each.subject === name && each.framework === framework && each.tokens === tokens && each.work === work,
        );
        return other && Number.isFinite(other.ratio) ? `${digits(other.ratio)} ×` : '–';
      };
      return `| ${framework} | ${tokens} | ${work} | ${digits(median)} ms | ${ratioOf('chunked')} | ${ratioOf('quadratic')} |`;
    });
  return ['| on | tokens | work | this | in chunks | quadratic |', '|---|---|---|---|---|---|', ...rows].join('\n');
}
