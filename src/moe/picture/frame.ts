import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';

/** Colours of every picture, fit for print and for readers who confuse red and green. */
export const ink = {
  paper: '#ffffff',
  text: '#1d1e21',
  muted: '#5c5f68',
  line: '#e2dfd8',
  grey: '#a9adb6',
  blue: '#35598f',
  paleBlue: '#a9c0e3',
  orange: '#c9701f',
  green: '#2e7d5b',
  purple: '#7b5ea7',
} as const;

/** A part of a picture: a chart under a heading, with a key of its colours. */
export interface Panel {
  readonly heading: string;
  /** One line under the heading. */
  readonly note?: string;
  readonly key?: readonly (readonly [colour: string, name: string])[];
  /** SVG of `height` units. */
  readonly chart: string;
  readonly height: number;
}

/** Units across, of a picture and of the charts in it. */
export const width = 1080;
const margin = 32;

/** Units across of a chart. */
export const chartWidth = width - 2 * margin;

const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

/** Text that may stand in SVG. */
export function escapeText(text: string): string {
  return text.replace(/[&<>"]/g, (character) => entities[character]!);
}

/** A line of text at a place. */
export function label(x: number, y: number, text: string, size: number, colour: string = ink.text, more = ''): string {
  return `<text x="${x}" y="${y}" font-size="${size}" fill="${colour}" ${more}>${escapeText(text)}</text>`;
}

function keyLine(key: NonNullable<Panel['key']>, y: number): string {
  let x = margin;
  return key
    .map(([colour, name]) => {
      const entry = `<rect x="${x}" y="${y - 9}" width="10" height="10" rx="2" fill="${colour}"/>${label(x + 16, y, name, 12, ink.muted)}`;
      // No font is at hand to measure with; 6.6 units a letter is wide enough at this size.
      x += 36 + name.length * 6.6;
      return entry;
    })
    .join('');
}

/** Text in lines of at most so many letters, broken between words. */
function wrapped(text: string, most: number): string[] {
  const lines = [''];
  for (const word of text.split(' ')) {
    const line = lines.at(-1)!;
    if (line !== '' && line.length + word.length >= most) lines.push(word);
    else lines[lines.length - 1] = line === '' ? word : `${line} ${word}`;
  }
  return lines;
}

/** Panels under a title, one below the other: a picture that stands by itself. */
export function picture(title: string, subtitle: string, panels: readonly Panel[]): string {
  const lines = wrapped(subtitle, 150);
  let y = 96 + 18 * (lines.length - 1);
  const down = (units: number): number => {
    y += units;
    return y;
  };
  const body = panels.map((panel) => {
    const parts = [label(margin, y, panel.heading, 15, ink.text, 'font-weight="600"')];
    if (panel.note !== undefined) parts.push(label(margin, down(19), panel.note, 12, ink.muted));
    if (panel.key !== undefined) parts.push(keyLine(panel.key, down(20)));
    parts.push(`<g transform="translate(${margin} ${down(10)})">${panel.chart}</g>`);
    down(panel.height + 34);
    return parts.join('\n');
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${y}" width="${width}" height="${y}" font-family="system-ui, -apple-system, 'Segoe UI', 'Noto Sans', 'DejaVu Sans', sans-serif" role="img" aria-label="${escapeText(title)}">
<rect width="100%" height="100%" fill="${ink.paper}"/>
${label(margin, 44, title, 20, ink.text, 'font-weight="600"')}
${lines.map((line, i) => label(margin, 66 + 18 * i, line, 13, ink.muted)).join('\n')}
${body.join('\n')}
</svg>
`;
}

/** A chart as SVG text, in the style of all pictures. */
export function chart(options: Plot.PlotOptions): string {
  const { document } = parseHTML('<!doctype html><html><body></body></html>');
  const drawn = Plot.plot({
    document: document as unknown as Document,
    width: chartWidth,
    marginLeft: 48,
    marginRight: 12,
    marginTop: 24,
    ...options,
    style: { background: 'none', color: ink.muted, fontSize: '11px', overflow: 'visible', fontFamily: 'inherit' },
  });
  drawn.setAttribute('xmlns', 'http://www.w3.org/2000/svg');
  return drawn.outerHTML;
}
