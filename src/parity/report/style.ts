/** The page's one stylesheet: system fonts, light and dark by the reader's choice, from 360 px up. */
export const style = `
:root {
  color-scheme: light dark;
  --page: #faf9f6; --surface: #fff; --sunk: #f3f1ec; --text: #1d1e21; --muted: #5c5f68; --line: #e2dfd8;
  --accent: #35598f; --good: #1d6b47; --bad: #a52f26; --warn: #7d5300;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #14161a; --surface: #1b1e24; --sunk: #20242b; --text: #e7e5df; --muted: #a2a6af; --line: #31353d;
    --accent: #8db0e6; --good: #7bcaa2; --bad: #f29486; --warn: #e6bc6c;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; scroll-padding-top: 1rem; }
body { margin: 0; background: var(--page); color: var(--text); font: 400 1rem/1.55 system-ui, -apple-system, "Segoe UI", "Noto Sans", sans-serif; }
main, header, footer { max-width: 70rem; margin: 0 auto; padding: 0 clamp(1rem, 4vw, 2.5rem); }
header { padding-top: clamp(2rem, 6vw, 4rem); }
footer { padding-block: 3rem; color: var(--muted); font-size: .875rem; }
h1, h2, h3, h4 { line-height: 1.25; text-wrap: balance; font-weight: 600; }
h1 { font-size: clamp(1.6rem, 5vw, 2.25rem); letter-spacing: -.015em; margin: .25rem 0 .5rem; }
h2 { font-size: 1.3rem; margin: 3.25rem 0 .75rem; letter-spacing: -.01em; }
h3 { font-size: 1.08rem; margin: 0; overflow-wrap: anywhere; }
h4 { font-size: 1rem; margin: 1.75rem 0 .5rem; }
h5 { font-size: .94rem; margin: 1.5rem 0 .4rem; font-weight: 600; }
h6 { font-size: .9rem; margin: 1rem 0 .25rem; font-weight: 600; }
p { margin: .5rem 0; max-width: 65ch; }
a { color: var(--accent); text-underline-offset: .18em; text-decoration-thickness: 1px; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; border-radius: 3px; }
code { font: .88em/1.4 ui-monospace, "Cascadia Mono", "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; overflow-wrap: anywhere; }
.eyebrow { color: var(--muted); font-size: .9rem; margin: 0; }
.lead { font-size: 1.08rem; color: var(--muted); }
.muted, small { color: var(--muted); font-weight: 400; }
small { display: block; font-size: .86rem; overflow-wrap: anywhere; }
.skip { position: absolute; left: -999px; }
.skip:focus { left: 1rem; top: 1rem; background: var(--surface); padding: .5rem 1rem; }
.good { color: var(--good); } .bad { color: var(--bad); } .warn { color: var(--warn); }
.mark { font-weight: 600; white-space: nowrap; }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 15rem), 1fr)); gap: .9rem 2rem; margin: 1.25rem 0; }
header dl { grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); }
dt { color: var(--muted); font-size: .84rem; }
dd { margin: 0; overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
dl.wide > div { grid-column: 1 / -1; }
.scroll { overflow-x: auto; border: 1px solid var(--line); border-radius: 6px; background: var(--surface); margin: .75rem 0; }
table { border-collapse: collapse; width: 100%; font-size: .92rem; font-variant-numeric: tabular-nums; }
th, td { padding: .42rem .9rem; text-align: right; white-space: nowrap; vertical-align: top; }
th { font-weight: 500; }
thead th { white-space: normal; color: var(--muted); font-size: .84rem; border-bottom: 1px solid var(--line); vertical-align: bottom; }
tbody tr + tr > * { border-top: 1px solid color-mix(in srgb, var(--line) 60%, transparent); }
th[scope=row], thead th:first-child { text-align: left; }
tbody th[scope=rowgroup] { text-align: left; font-weight: 600; padding-top: 1.1rem; border-top: 0 !important; }
td small { font-size: .8rem; }
th.text, td.text { text-align: left; white-space: normal; min-width: 12rem; }
sup { font-size: .75em; line-height: 0; }
.results th[scope=row] { position: sticky; left: 0; background: var(--surface); min-width: 8rem; max-width: 46vw; white-space: normal; }
.dense th, .dense td { padding-inline: .6rem; }
.card { border: 1px solid var(--line); border-radius: 8px; background: var(--surface); padding: clamp(1rem, 3vw, 1.75rem); margin: 1.25rem 0; }
.card .scroll { background: transparent; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 20rem), 1fr)); gap: 1.75rem 2.5rem; margin: 1rem 0 1.5rem; }
.figures dl { grid-template-columns: repeat(auto-fill, minmax(min(100%, 11rem), 1fr)); gap: .6rem 1.5rem; margin: .5rem 0; font-size: .94rem; }
figure { margin: 0; min-width: 0; }
figcaption { font-size: .88rem; color: var(--muted); margin-bottom: .6rem; }
figcaption b { color: var(--text); font-weight: 600; margin-right: .35em; }
.plot { display: grid; grid-template-columns: auto 1fr; gap: .25rem .5rem; max-width: 27rem; }
.plot img { width: 100%; height: auto; aspect-ratio: var(--aspect); max-height: 24rem; image-rendering: pixelated; border-radius: 3px; display: block; }
.axis-y, .axis-x { display: flex; justify-content: space-between; font-size: .75rem; color: var(--muted); font-variant-numeric: tabular-nums; line-height: 1; }
.axis-y { flex-direction: column; text-align: right; }
.axis-x { grid-column: 2; }
.axis-name { grid-column: 2; font-size: .75rem; color: var(--muted); text-align: center; }
.legend { display: flex; flex-wrap: wrap; gap: .35rem 1.1rem; font-size: .8rem; color: var(--muted); margin-top: .6rem; }
.legend span { display: inline-flex; align-items: center; gap: .4rem; }
.swatch, .ramp { display: inline-block; height: .8rem; width: .8rem; border-radius: 2px; border: 1px solid var(--line); }
.ramp { width: 6rem; }
.histogram svg { width: 100%; max-width: 380px; height: auto; color: var(--text); font-size: 13px !important; }
.histogram svg text { font-variant-numeric: tabular-nums; }
details { margin: .4rem 0; }
summary { cursor: pointer; padding: .25rem 0; overflow-wrap: anywhere; }
summary::marker { color: var(--muted); }
.element { border-top: 1px solid var(--line); padding: .5rem 0; margin: 0; }
.element > summary { font-weight: 500; }
.derivation { padding: .25rem 0 .75rem; font-size: .93rem; }
.derivation ol { margin: .25rem 0 .75rem; padding-left: 1.4rem; }
.derivation li { padding: .18rem 0; overflow-wrap: anywhere; }
.derivation li::marker { color: var(--muted); font-size: .8rem; }
.derivation details { padding-left: .1rem; }
.terms table { font-size: .84rem; }
.terms td, .terms th { padding: .18rem .7rem; text-align: right !important; }
.terms tfoot tr:first-child > * { border-top: 1px solid var(--line); }
.value { font-variant-numeric: tabular-nums; }
.aligned { margin: .6rem 0; }
.aligned .scroll { padding: .5rem; }
.aligned svg { display: block; font-size: 9px; fill: var(--muted); font-variant-numeric: tabular-nums; }
.digest table { font-size: .8rem; }
@media (max-width: 34rem) { .figures dl { grid-template-columns: repeat(auto-fill, minmax(8rem, 1fr)); } th, td { padding-inline: .6rem; } table { font-size: .88rem; } }
@media print { body { background: #fff; } details:not([open]) > *:not(summary) { display: none; } .card { break-inside: avoid; } }
`;
