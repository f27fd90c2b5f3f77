import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';
import type { Metrics, UlpBucket } from '../metrics.ts';
import { count, type Html, html, trusted } from './html.ts';

/** `-7 to -4`, `+1`, `0`. */
function bucketName({ from, to }: UlpBucket): string {
  const signed = (n: number): string => (n > 0 ? `+${short(n)}` : n < 0 ? `\u2212${short(-n)}` : '0');
  return from === to ? signed(from) : `${signed(from)} to ${signed(to)}`;
}

function short(n: number): string {
  return n < 10_000 ? String(n) : `2^${Math.round(Math.log2(n))}`;
}

const maxBars = 16;

/** The tails folded into their outermost bars, so that a bar keeps its width on a small screen. */
function fold(buckets: readonly UlpBucket[]): UlpBucket[] {
  const bars = [...buckets];
  while (bars.length > maxBars) {
    const tail = Math.abs(bars[0]!.from) >= Math.abs(bars.at(-1)!.to) ? bars.splice(0, 2) : bars.splice(-2, 2);
    const merged = { from: tail[0]!.from, to: tail[1]!.to, count: tail[0]!.count + tail[1]!.count };
    if (merged.from < 0) bars.unshift(merged);
    else bars.push(merged);
  }
  return bars;
}

/** Differing elements by signed ULP distance: horizontal bars, each with its count, so that it reads at any width. */
export function histogramFigure(metrics: Metrics): Html {
  const bars = fold(metrics.ulps).map((bucket) => ({ name: bucketName(bucket), n: bucket.count }));
  if (bars.length === 0) {
    return html`<figure><figcaption><b>How far</b> A NaN takes part in every differing pair: no distance in ULP.</figcaption></figure>`;
  }
  const { document } = parseHTML('<!doctype html><html><body></body></html>');
  const chart = Plot.plot({
    document: document as unknown as Document,
    width: 380,
    height: 34 + 24 * bars.length,
    marginLeft: 104,
    marginRight: 72,
    marginTop: 4,
    marginBottom: 30,
    style: { background: 'none', font: 'inherit', overflow: 'visible' },
    x: { label: 'elements', axis: null },
    y: { domain: bars.map(({ name }) => name), label: null, tickSize: 0, padding: 0.3 },
    marks: [
      Plot.barX(bars, { x: 'n', y: 'name', fill: 'var(--accent)', rx: 2 }),
      Plot.text(bars, { x: 'n', y: 'name', text: ({ n }: { n: number }) => count(n), dx: 6, textAnchor: 'start' }),
      Plot.ruleX([0], { stroke: 'var(--muted)' }),
    ],
  });
  chart.setAttribute('role', 'img');
  chart.setAttribute(
    'aria-label',
    `Differing elements by ULP distance: ${bars.map(({ name, n }) => `${name}: ${count(n)}`).join('; ')}`,
  );
  return html`<figure class="histogram">
<figcaption><b>How far</b> Differing elements by distance in ULP, got minus expected.</figcaption>
${trusted(chart.outerHTML)}
</figure>`;
}
