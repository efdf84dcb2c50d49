/** Columns of text, as wide as their widest cell: the first `left` of them aligned to the left, the others to the right. */
export function table(
  rows: readonly (readonly string[])[],
  left = 1,
  width: (cell: string) => number = visibleWidth,
): string[] {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => width(row[column]))));
  return rows.map((row) =>
    row
      .map((cell, column) => {
        const space = ' '.repeat(widths[column] - width(cell));
        return column < left ? cell + space : space + cell;
      })
      .join('  ')
      .trimEnd(),
  );
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: colours begin with the escape character.
const visibleWidth = (cell: string): number => cell.replace(/\u001b\[\d+m/g, '').length;
