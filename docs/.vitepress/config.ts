import { defineConfig } from 'vitepress';
import { packages, sections } from '../scripts/repository.ts';

const reference = packages.map(({ folder, name, entries }) => ({
  text: name,
  link: `/reference/@linattn/${folder}`,
  items: entries
    .filter((entry) => entry.name !== name)
    .map((entry) => ({ text: entry.name.slice(name.length), link: `/reference/${entry.name}` })),
}));

const guide = [
  { text: 'Getting started', link: '/getting-started' },
  { text: 'From softmax to linear', link: '/from-softmax' },
  { text: 'The mathematics', link: '/mathematics' },
  { text: 'Performance', link: '/performance' },
  { text: 'Features', link: '/features' },
];

/** A causal mask. */
const icon =
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 4 4"><path fill="#0072b2" d="M0 0h1v1h1v1h1v1h1v1H0z"/></svg>';

export default defineConfig({
  title: 'linattn',
  description: 'Linear attention for TypeScript: gradients checked, O(N·D) memory, in Node and the browser.',
  lang: 'en',
  // Where the site will lie on its host: `/` or `/linattn/`.
  base: process.env.DOCS_BASE ?? '/',
  cleanUrls: true,
  head: [['link', { rel: 'icon', href: `data:image/svg+xml,${encodeURIComponent(icon)}` }]],
  // Parts of pages, and what is a page elsewhere.
  srcExclude: ['measured/**', 'report/README.md', 'report-gpu/README.md', '**/node_modules/**'],
  // The experiments' report, written by `linattn reproduce`.
  rewrites: { 'report/:name/section.md': 'report/:name.md', 'report-gpu/:name/section.md': 'report-gpu/:name.md' },
  markdown: { math: true },
  themeConfig: {
    search: { provider: 'local' },
    outline: [2, 3],
    nav: [
      { text: 'Guide', link: '/getting-started' },
      { text: 'Mathematics', link: '/mathematics' },
      { text: 'Performance', link: '/performance' },
      { text: 'Reference', link: '/reference/@linattn/math' },
    ],
    sidebar: {
      '/reference/': [{ text: 'Reference', items: reference }],
      '/': [
        { text: 'Guide', items: guide },
        { text: 'Packages', items: packages.map(({ folder, name }) => ({ text: name, link: `/packages/${folder}` })) },
        {
          text: 'Other programs',
          items: [
            { text: 'ONNX, flash-linear-attention, files', link: '/interchange' },
            { text: 'Comparing with linattn verify', link: '/verify' },
          ],
        },
        {
          text: 'The paper, measured',
          items: sections.map(({ folder, title }) => ({ text: title, link: `/${folder}` })),
        },
      ],
    },
  },
});
