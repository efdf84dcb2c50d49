export const style = `
:root { color-scheme: light; --ink: #1f2937; --soft: #6b7280; --line: #e5e7eb; --paper: #fff; --tint: #f8fafc; --link: #0b5cad; }
* { box-sizing: border-box; }
body { margin: 0; background: var(--tint); color: var(--ink); font: 16px/1.6 system-ui, sans-serif; }
main { max-width: 920px; margin: 0 auto; padding: 48px 40px 96px; background: var(--paper); min-height: 100vh; }
h1 { font-size: 34px; line-height: 1.2; margin: 0 0 12px; letter-spacing: -0.02em; }
h2 { font-size: 24px; line-height: 1.3; margin: 0 0 8px; letter-spacing: -0.01em; }
h3 { font-size: 18px; margin: 36px 0 8px; }
p, blockquote { max-width: 74ch; }
a { color: var(--link); }
header > p { color: var(--soft); font-size: 17px; }
nav ol { padding-left: 20px; margin: 20px 0 0; }
nav span { color: var(--soft); font-size: 13px; margin-left: 6px; }
section { border-top: 1px solid var(--line); margin-top: 56px; padding-top: 40px; }
.imprint { color: var(--soft); font-size: 13.5px; line-height: 1.55; margin: 0 0 24px; max-width: none; }
code { font: 0.92em/1.4 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; background: var(--tint); border: 1px solid var(--line); border-radius: 4px; padding: 0.08em 0.35em; white-space: nowrap; }
.imprint code { white-space: normal; overflow-wrap: anywhere; }
figure { margin: 28px 0; }
figure svg { display: block; width: 100%; height: auto; }
figcaption { color: var(--soft); font-size: 14px; margin-top: 6px; max-width: 74ch; }
.table { overflow-x: auto; margin: 20px 0; }
table { border-collapse: collapse; font-size: 14px; line-height: 1.4; font-variant-numeric: tabular-nums; }
th, td { padding: 6px 14px 6px 0; border-bottom: 1px solid var(--line); text-align: left; white-space: nowrap; }
th { color: var(--soft); font-weight: 600; }
[align=right] { text-align: right; }
blockquote { margin: 20px 0; padding: 12px 18px; border-left: 4px solid var(--soft); background: var(--tint); border-radius: 0 6px 6px 0; }
blockquote p { margin: 0; }
blockquote.contradicts { border-color: #d55e00; background: #fff7ed; }
blockquote.agrees { border-color: #009e73; background: #f0fdf4; }
blockquote.beyond { border-color: #0072b2; background: #f0f7ff; }
@media (max-width: 640px) { main { padding: 28px 18px 64px; } h1 { font-size: 27px; } }
@media print { body { background: none; } main { max-width: none; } section { break-inside: auto; } figure { break-inside: avoid; } }
`.trim();
