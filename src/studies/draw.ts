import * as Plot from '@observablehq/plot';
import type { Chart, ChartAxis, ChartPoint } from './chart.ts';
import { font, ink, type SeriesStyle, seriesStyle, textWidth } from './style.ts';
import { logDomain, logTicks, tickText } from './ticks.ts';

/** A point with all that a mark needs to know of it. */
interface Datum {
  readonly x: number | string;
  readonly y: number;
  readonly panel: string;
  readonly series: string;
}

const width = 760;
const margin = 18;
const titleSize = 16;
const textSize = 12;
const panelHeight = 300;
const barHeight = 15;

/** The names of a chart's series, in the order of their looks. */
function seriesNames(chart: Chart): string[] {
  return Array.from(new Set(chart.panels.flatMap(({ series }) => series.map(({ name }) => name))));
}

function dataOf(chart: Chart): Datum[] {
  return chart.panels.flatMap(({ title, series }) =>
    series.flatMap(({ name, points }) =>
      points
        .filter((point): point is ChartPoint & { y: number } => point.y !== null && Number.isFinite(point.y))
        .filter(({ y }) => chart.y.scale !== 'log' || y > 0)
        .map(({ x, y }) => ({ x, y, panel: title, series: name })),
    ),
  );
}

/**
 * Draws a chart as an SVG element of its own: title, subtitle, legend, panels. `document` is the page's, or linkedom's where there is none.
 * The element carries its size, its fonts and a text for readers who do not see it.
 */
export function drawChart(chart: Chart, document: Document): SVGSVGElement {
  const names = seriesNames(chart);
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

function axisTitle({ label, unit }: ChartAxis): string {
  return unit === undefined ? label : `${label} (${unit})`;
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
function legendOf(chart: Chart, names: readonly string[], document: Document): Part {
  const element = svg(document, 'g', {});
  if (names.length === 1 && names[0] === '') return { element, height: 0 };
  const sample = 34;
  const gap = 18;
  let x = 0;
  let y = 0;
  for (const [at, name] of names.entries()) {
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

const lineOptions = (style: SeriesStyle) => ({
  x: 'x',
  y: 'y',
  stroke: style.colour,
  strokeWidth: 1.8,
  strokeDasharray: style.dash,
});

const dotOptions = (style: SeriesStyle) => ({
  x: 'x',
  y: 'y',
  symbol: style.symbol,
  r: 3.6,
  fill: '#ffffff',
  stroke: style.colour,
  strokeWidth: 1.7,
});

const patternId = (at: number): string => `fill-${at}`;
const fillOf = (at: number): string => `url(#${patternId(at)})`;

/** Fills of the bars: hatchings that stay apart without colour. */
function patterns(document: Document, names: readonly string[]): SVGElement {
  const defs = svg(document, 'defs', {});
  for (const at of names.keys()) {
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

/** Options of a value axis. */
function valueScale(axis: ChartAxis, values: readonly number[], mostTicks: number) {
  const format = (value: number): string => tickText(axis, value);
  if (axis.scale !== 'log') {
    return {
      type: 'linear',
      domain: axis.domain,
      nice: axis.domain === undefined,
      ticks: mostTicks,
      tickFormat: format,
    };
  }
  const domain = axis.domain ?? logDomain(axis, values);
  return { type: 'log', base: axis.base ?? 10, domain, ticks: logTicks(axis, domain, mostTicks), tickFormat: format };
}

const panelTitles = (chart: Chart): string[] => chart.panels.map(({ title }) => title);

function linesOf(chart: Chart, names: readonly string[], document: Document) {
  const data = dataOf(chart);
  const many = chart.panels.length;
  const xs = data.map(({ x }) => x).filter((x): x is number => typeof x === 'number');
  const ys = [...data.map(({ y }) => y), ...(chart.references ?? []).map(({ y }) => y)];
  const xScale = valueScale(chart.x, xs, Math.max(3, Math.floor(9 / many)));
  const yScale = valueScale(chart.y, ys, 7);
  const marks = names.flatMap((name, at) => {
    const points = data.filter(({ series }) => series === name);
    const style = seriesStyle(at);
    return [
      Plot.line(points, { ...lineOptions(style), fx: 'panel' }),
      ...(points.length <= 40 * many ? [Plot.dot(points, { ...dotOptions(style), fx: 'panel' })] : []),
    ];
  });
  return Plot.plot({
    document,
    ...frame(chart, panelHeight),
    marginLeft: 18 + Math.max(...yTickWidths(chart, ys, yScale), 24),
    marginBottom: 46,
    marginTop: many > 1 ? 34 : 24,
    x: { ...xScale, label: axisTitle(chart.x), labelAnchor: 'center', labelArrow: 'none', labelOffset: 40 },
    y: { ...yScale, label: null },
    fx: { domain: panelTitles(chart), label: null, axis: null, padding: 0.09 },
    marks: [
      Plot.gridY({ stroke: ink.grid, strokeOpacity: 1, ticks: yScale.ticks }),
      Plot.gridX({ stroke: ink.grid, strokeOpacity: 1, ticks: xScale.ticks }),
      Plot.frame({ stroke: ink.muted, strokeOpacity: 0.5 }),
      ...panelHeads(chart),
      ...(chart.references ?? []).flatMap((reference) => [
        Plot.ruleY([reference.y], { stroke: ink.reference, strokeDasharray: '5 3', strokeWidth: 1.2 }),
      ]),
      ...marks,
      ...(chart.references ?? []).map((reference) =>
        Plot.text([reference], {
          y: 'y',
          text: 'label',
          fx: () => chart.panels.at(-1)!.title,
          frameAnchor: 'left',
          textAnchor: 'start',
          dx: 6,
          dy: -7,
          fill: ink.reference,
          stroke: '#ffffff',
          strokeWidth: 4,
        }),
      ),
    ],
  } as Plot.PlotOptions);
}

function panelHeads(chart: Chart) {
  if (chart.panels.length === 1) return [];
  return [
    Plot.text(chart.panels, {
      fx: 'title',
      text: 'title',
      frameAnchor: 'top',
      dy: -12,
      fontWeight: 600,
      fill: ink.text,
      lineWidth: 60 / chart.panels.length,
    }),
  ];
}

/** Room that the ticks of the vertical axis may need. */
function yTickWidths(chart: Chart, ys: readonly number[], { ticks }: { ticks: number | number[] }): number[] {
  const told = typeof ticks === 'number' ? [...ys.filter(Number.isFinite), 0] : ticks;
  return told.map((value) => Math.min(textWidth(tickText(chart.y, Number(value.toPrecision(2))), textSize), 80));
}

function frame(_chart: Chart, height: number) {
  return {
    width,
    height,
    marginRight: margin,
    style: { background: 'none', color: ink.text, fontFamily: font, fontSize: `${textSize}px` },
  };
}

/** Bars and dots lie: a row for every category, so that long names can be read. */
function rowsOf(chart: Chart, names: readonly string[], document: Document) {
  const data = dataOf(chart);
  const categories = Array.from(
    new Set(chart.panels.flatMap(({ series }) => series.flatMap(({ points }) => points.map(({ x }) => String(x))))),
  );
  const values = data.map(({ y }) => y);
  const scale = valueScale(
    chart.y,
    [...values, ...(chart.references ?? []).map(({ y }) => y)],
    Math.max(3, Math.floor(8 / chart.panels.length)),
  );
  const perRow = chart.kind === 'bars' ? names.length : 1;
  const rowHeight = Math.max(perRow * barHeight, 20) + 8;
  const marginTop = chart.panels.length > 1 ? 34 : 12;
  const marginBottom = 46;
  return Plot.plot({
    document,
    ...frame(chart, marginTop + marginBottom + rowHeight * categories.length),
    marginTop,
    marginBottom,
    marginLeft: 14 + Math.max(...categories.map((name) => textWidth(name, textSize))),
    marginRight: chart.kind === 'bars' ? 52 : margin,
    x: { ...scale, label: axisTitle(chart.y), labelAnchor: 'center', labelArrow: 'none', labelOffset: 40 },
    y:
      chart.kind === 'bars'
        ? { domain: names, axis: null, padding: 0.1 }
        : { domain: categories, label: null, tickSize: 0 },
    ...(chart.kind === 'bars' && { fy: { domain: categories, label: null, padding: 0.18, axis: 'left' } }),
    fx: { domain: panelTitles(chart), label: null, axis: null, padding: chart.kind === 'bars' ? 0.2 : 0.09 },
    marks: [
      Plot.gridX({ stroke: ink.grid, strokeOpacity: 1, ticks: scale.ticks }),
      ...(chart.kind === 'bars' ? barMarks(chart, data, names) : dotMarks(data, names, categories)),
      ...rowHeads(chart, categories),
    ],
  } as Plot.PlotOptions);
}

function rowHeads(chart: Chart, categories: readonly string[]) {
  if (chart.panels.length === 1) return [];
  if (chart.kind === 'dots') return panelHeads(chart);
  const heads = chart.panels.map(({ title }) => ({ title, category: categories[0] }));
  return [
    Plot.text(heads, {
      fx: 'title',
      fy: 'category',
      text: 'title',
      frameAnchor: 'top',
      dy: -16,
      fontWeight: 600,
      fill: ink.text,
    }),
  ];
}

function barMarks(chart: Chart, data: readonly Datum[], names: readonly string[]) {
  return [
    ...names.map((name, at) =>
      Plot.barX(
        data.filter(({ series }) => series === name),
        { x: 'y', y: 'series', fy: 'x', fx: 'panel', fill: fillOf(at), stroke: seriesStyle(at).colour },
      ),
    ),
    Plot.text(data, {
      x: 'y',
      y: 'series',
      fy: 'x',
      fx: 'panel',
      text: ({ y }: Datum) => tickText(chart.y, Number(y.toPrecision(3))),
      textAnchor: 'start',
      dx: 4,
      fontSize: 10.5,
      fill: ink.text,
    }),
    Plot.ruleX([0], { stroke: ink.muted }),
  ];
}

function dotMarks(data: readonly Datum[], names: readonly string[], categories: readonly string[]) {
  return [
    Plot.ruleY(categories, { stroke: ink.grid }),
    ...names.map((name, at) =>
      Plot.dot(
        data.filter(({ series }) => series === name),
        { ...dotOptions(seriesStyle(at)), x: 'y', y: 'x', fx: 'panel' },
      ),
    ),
  ];
}
