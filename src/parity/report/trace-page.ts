import type { Trace } from '../trace/steps.ts';
import { derivation } from './derivation.ts';
import { html, trusted } from './html.ts';
import { style } from './style.ts';

/** What a trace's page says besides the trace. */
export interface TracePageInput {
  readonly trace: Trace;
  readonly date: Date;
  /** fp8lab's own version. */
  readonly version: string;
  /** The command line that made the page. */
  readonly command: string;
}

/** One element worked out, as a self-contained page: every operation, and a picture of the bits of each aligned sum. No network, no script. */
export function renderTracePage({ trace, date, version, command }: TracePageInput): string {
  const name = `${trace.tensor}[${trace.coordinates.join(', ')}]`;
  const page = html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>${name} of ${trace.spec} \u00b7 fp8lab trace</title><style>${trusted(style)}</style></head>
<body><header><p class="eyebrow">fp8lab trace, ${trace.kernel}</p>
<h1>${name} of ${trace.spec}</h1>
<p class="lead">${trace.result.value} <code>${trace.result.code}</code>, every operation written out.</p>
<dl><div><dt>Date</dt><dd><time datetime="${date.toISOString()}">${date.toISOString().slice(0, 16).replace('T', ' ')} UTC</time></dd></div></dl>
<dl class="wide"><div><dt>Command</dt><dd><code>${command}</code></dd></div></dl></header>
<main>${derivation(trace, { pictures: true })}</main>
<footer>Made by fp8lab ${version}.</footer>
</body></html>
`;
  return page.markup;
}
