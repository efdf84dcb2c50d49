import { style } from './style.ts';

/** What the report shows of one experiment. */
export interface ReportedSection {
  readonly name: string;
  readonly title: string;
  readonly scale: string;
  readonly markdown: string;
  /** SVG documents by file name, as the Markdown names them. */
  readonly figures: ReadonlyMap<string, string>;
}

const title = 'Linear attention, reproduced';
const lead =
  'Experiments of “Towards Making Linear Attention Usable” (submitted to ICLR 2025), run with linattn. Every section begins ' +
  'with the command that made it and with the machine that it ran on; the numbers behind it are in its result.json.';

/** One HTML page, with nothing outside it: sections in order, figures inlined. */
export async function renderReport(sections: readonly ReportedSection[]): Promise<string> {
  const [{ marked }, { parseHTML }] = await Promise.all([import('marked'), import('linkedom')]);
  const { document } = parseHTML('<!doctype html><html lang="en"><head></head><body><main></main></body></html>');
  document.head.innerHTML =
    `<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">` +
    `<title>${title}</title><style>${style}</style>`;
  const links = sections.map(
    (each) => `<li><a href="#${each.name}">${escapeHtml(each.title)}</a> <span>${each.scale}</span></li>`,
  );
  const bodies = await Promise.all(
    sections.map(async ({ name, markdown }) => `<section id="${name}">${await marked.parse(markdown)}</section>`),
  );
  const main = document.querySelector('main')!;
  main.innerHTML = `<header><h1>${title}</h1><p>${lead}</p><nav><ol>${links.join('')}</ol></nav></header>${bodies.join('')}`;
  for (const section of sections) {
    const own = document.getElementById(section.name)!;
    for (const image of own.querySelectorAll('img')) inline(image, section);
    own.querySelector('h2 + p')?.classList.add('imprint');
    for (const quote of own.querySelectorAll('blockquote')) {
      quote.classList.add(/^\s*(\w+)/.exec(quote.textContent ?? '')?.[1].toLowerCase() ?? 'note');
    }
    for (const table of own.querySelectorAll('table')) {
      const frame = document.createElement('div');
      frame.className = 'table';
      table.replaceWith(frame);
      frame.append(table);
    }
  }
  return `${document.toString()}\n`;
}

/** An image becomes its SVG, in a figure with the caption that follows it. */
function inline(image: Element, { figures }: ReportedSection): void {
  const svg = figures.get(image.getAttribute('src') ?? '');
  const paragraph = image.parentElement;
  if (!svg || !paragraph) return;
  const document = image.ownerDocument;
  const figure = document.createElement('figure');
  figure.innerHTML = svg.replace(/^<\?xml[^>]*\?>\s*/, '');
  const caption = document.createElement('figcaption');
  caption.textContent = image.getAttribute('alt') ?? '';
  figure.append(caption);
  const next = paragraph.nextElementSibling;
  if (next?.tagName === 'P' && next.textContent?.trim() === caption.textContent) next.remove();
  paragraph.replaceWith(figure);
}

const escapeHtml = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
