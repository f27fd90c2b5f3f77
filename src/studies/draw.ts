import * as Plot from '@observablehq/plot';
import type { Chart, ChartPoint } from './chart.ts';
import {
  axisTitle,
  type Drawn,
  dotOptions,
  drawnSeries,
  fillOf,
  lineOptions,
  linesOf,
  margin,
  patternId,
  rowsOf,
  textSize,
  width,
} from './panels.ts';
import { font, ink, type SeriesStyle, seriesStyle, textWidth } from './style.ts';
import { tickText } from './ticks.ts';

const titleSize = 16;

/**
 * Draws a chart as an SVG element of its own: title, subtitle, legend, panels. `document` is the page's, or linkedom's where there is none.
 * The element carries its size, its fonts and a text for readers who do not see it.
 */
export function drawChart(chart: Chart, document: Document): SVGSVGElement {
  const names = drawnSeries(chart);
  const root = svg(document, 'svg', { xmlns: 'http://www.w3.org/2000/svg', 'font-family': font });
  root.append(patterns(document, names));
  const head = headOf(chart, document);
  const legend = legendOf(chart, names, document);
  const body = chart.kind === 'lines' ? linesOf(chart, names, document) : rowsOf(chart, names, document);
  const legendTop = head.height + 6;
  const bodyTop = legendTop + legend.height + 4;
  const height = bodyTop + Number(body.getAttribute('height')) + 10;
  head.element.setAttribute('transform', `translate(${margin},0)`);
  legend.element.setAttribute('transform', `translate(${margin},${legendTop})`);
  body.setAttribute('y', String(bodyTop));
  root.append(
    svg(document, 'rect', { width, height, fill: '#ffffff' }),
    head.element,
    legend.element,
    body as unknown as SVGElement,
  );
  if (chart.kind === 'lines') {
    const place = { x: margin, y: bodyTop + 12, 'font-size': textSize, fill: ink.muted };
    root.append(textElement(document, axisTitle(chart.y), place));
  }
  setAll(root, { width, height, viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': spoken(chart) });
  return root as SVGSVGElement;
}

/** What a chart says, for those who do not see it. */
function spoken(chart: Chart): string {
  const parts = chart.panels.map(({ title, series }) => {
    const said = series.map(({ name, points }) => `${name}: ${points.map((p) => pointText(chart, p)).join(', ')}`);
    return `${title ? `${title}. ` : ''}${said.join('; ')}`;
  });
  return `${chart.title}. ${axisTitle(chart.y)} by ${axisTitle(chart.x)}. ${parts.join('. ')}`;
}

function pointText(chart: Chart, { x, y }: ChartPoint): string {
  const at = typeof x === 'number' ? tickText(chart.x, x) : x;
  return `${at} ${y === null ? 'none' : tickText(chart.y, y)}`;
}

function svg(document: Document, name: string, attributes: Readonly<Record<string, string | number>>): SVGElement {
  const element = document.createElementNS('http://www.w3.org/2000/svg', name) as SVGElement;
  setAll(element, attributes);
  return element;
}

function setAll(element: Element, attributes: Readonly<Record<string, string | number>>): void {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
}

function textElement(document: Document, text: string, attributes: Readonly<Record<string, string | number>>) {
  const element = svg(document, 'text', attributes);
  element.textContent = text;
  return element;
}

interface Part {
  readonly element: SVGElement;
  readonly height: number;
}

/** Words broken into lines of at most `room` pixels. */
export function wrap(text: string, size: number, room: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const longer = lines.length > 0 ? `${lines.at(-1)} ${word}` : word;
    if (lines.length > 0 && textWidth(longer, size) <= room) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}

function headOf({ title, subtitle }: Chart, document: Document): Part {
  const element = svg(document, 'g', {});
  let y = 10;
  for (const line of wrap(title, titleSize, width - 2 * margin)) {
    y += titleSize + 3;
    element.append(textElement(document, line, { y, 'font-size': titleSize, 'font-weight': 600, fill: ink.text }));
  }
  for (const line of wrap(subtitle ?? '', textSize, width - 2 * margin)) {
    y += textSize + 5;
    element.append(textElement(document, line, { y, 'font-size': textSize, fill: ink.muted }));
  }
  return { element, height: y + 4 };
}

/** Series with their looks, in as many lines as they need. Nothing where there is but one nameless series. */
function legendOf(chart: Chart, names: readonly Drawn[], document: Document): Part {
  const element = svg(document, 'g', {});
  if (names.length === 1 && names[0]!.name === '') return { element, height: 0 };
  const sample = 34;
  const gap = 18;
  let x = 0;
  let y = 0;
  for (const { at, name } of names) {
    const long = sample + textWidth(name, textSize) + gap;
    if (x > 0 && x + long > width - 2 * margin) {
      x = 0;
      y += 19;
    }
    const entry = svg(document, 'g', { transform: `translate(${x},${y})` });
    entry.append(sampleOf(chart, seriesStyle(at), at, document));
    entry.append(textElement(document, name, { x: sample, y: 12, 'font-size': textSize, fill: ink.text }));
    element.append(entry);
    x += long;
  }
  return { element, height: y + 22 };
}

function sampleOf(chart: Chart, style: SeriesStyle, at: number, document: Document): SVGElement {
  if (chart.kind === 'bars') {
    return svg(document, 'rect', { x: 4, y: 2, width: 22, height: 11, fill: fillOf(at), stroke: style.colour });
  }
  const line = { x: 0, y: 8 };
  const marks = [
    chart.kind === 'lines' ? Plot.line([line, { x: 27, y: 8 }], lineOptions(style)) : null,
    Plot.dot([{ x: 13.5, y: 8 }], dotOptions(style)),
  ];
  return Plot.plot({
    document,
    width: 28,
    height: 16,
    margin: 0,
    axis: null,
    x: { domain: [0, 28], range: [0, 28] },
    y: { domain: [0, 16], range: [0, 16] },
    marks,
  }) as unknown as SVGElement;
}

/** Fills of the bars: hatchings that stay apart without colour. */
function patterns(document: Document, names: readonly Drawn[]): SVGElement {
  const defs = svg(document, 'defs', {});
  for (const { at } of names) {
    const { colour, pattern } = seriesStyle(at);
    const tile = svg(document, 'pattern', {
      id: patternId(at),
      width: 6,
      height: 6,
      patternUnits: 'userSpaceOnUse',
    });
    const solid = pattern === 'solid';
    tile.append(svg(document, 'rect', { width: 6, height: 6, fill: colour, 'fill-opacity': solid ? 0.85 : 0.14 }));
    const path = hatching[pattern];
    if (pattern === 'dots') tile.append(svg(document, 'circle', { cx: 3, cy: 3, r: 1.4, fill: colour }));
    else if (path !== '') tile.append(svg(document, 'path', { d: path, stroke: colour, 'stroke-width': 1.3 }));
    defs.append(tile);
  }
  return defs;
}

const hatching: Readonly<Record<SeriesStyle['pattern'], string>> = {
  solid: '',
  open: '',
  dots: '',
  rising: 'M-1,1 l2,-2 M0,6 l6,-6 M5,7 l2,-2',
  falling: 'M-1,5 l2,2 M0,0 l6,6 M5,-1 l2,2',
  crossed: 'M0,6 l6,-6 M0,0 l6,6',
  level: 'M0,3 h6',
  upright: 'M3,0 v6',
};
