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

/** Width of a chart in pixels. */
export const width = 760;
/** Room at its sides. */
export const margin = 18;
/** Size of text in pixels. */
export const textSize = 12;
const panelHeight = 300;
const barHeight = 15;

/** Whether a point can be drawn: there is a value, and a log axis has a place for it. */
function isDrawn(chart: Chart, { y }: ChartPoint): boolean {
  return y !== null && Number.isFinite(y) && (chart.y.scale !== 'log' || y > 0);
}

/** A series that has something to draw, and its place among all of the chart: that gives it its look, the same in every chart of a study. */
export interface Drawn {
  readonly name: string;
  readonly at: number;
}

/** The series that have something to draw. */
export function drawnSeries(chart: Chart): readonly Drawn[] {
  const all = chart.panels.flatMap(({ series }) => series);
  const names = Array.from(new Set(all.map(({ name }) => name)));
  return names
    .map((name, at) => ({ name, at }))
    .filter((drawn) => all.some(({ name, points }) => name === drawn.name && points.some((p) => isDrawn(chart, p))));
}

/** Whether there is anything to draw. */
export function isDrawable(chart: Chart): boolean {
  return drawnSeries(chart).length > 0;
}

function dataOf(chart: Chart): Datum[] {
  return chart.panels.flatMap(({ title, series }) =>
    series.flatMap(({ name, points }) =>
      points.filter((p) => isDrawn(chart, p)).map(({ x, y }) => ({ x, y: y as number, panel: title, series: name })),
    ),
  );
}

/** Label and unit of an axis. */
export function axisTitle({ label, unit }: ChartAxis): string {
  return unit === undefined ? label : `${label} (${unit})`;
}

/** How a series' line is drawn. */
export const lineOptions = (style: SeriesStyle) => ({
  x: 'x',
  y: 'y',
  stroke: style.colour,
  strokeWidth: 1.8,
  strokeDasharray: style.dash,
});

/** How its points are. */
export const dotOptions = (style: SeriesStyle) => ({
  x: 'x',
  y: 'y',
  symbol: style.symbol,
  r: 3.6,
  fill: '#ffffff',
  stroke: style.colour,
  strokeWidth: 1.7,
});

/** Name of the fill of the series at a place. */
export const patternId = (at: number): string => `fill-${at}`;
/** The fill itself. */
export const fillOf = (at: number): string => `url(#${patternId(at)})`;

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

/** Panels of lines; an element with its width and height. */
export function linesOf(chart: Chart, names: readonly Drawn[], document: Document) {
  const data = dataOf(chart);
  const many = chart.panels.length;
  const xs = data.map(({ x }) => x).filter((x): x is number => typeof x === 'number');
  const ys = [...data.map(({ y }) => y), ...(chart.references ?? []).map(({ y }) => y)];
  const xScale = valueScale(chart.x, xs, Math.max(4, Math.floor(9 / many)));
  const yScale = valueScale(chart.y, ys, 7);
  const marks = names.flatMap(({ name, at }) => {
    const points = data.filter(({ series }) => series === name);
    const style = seriesStyle(at);
    return [
      Plot.line(points, { ...lineOptions(style), fx: 'panel' }),
      Plot.dot(thinned(points, at, names.length), { ...dotOptions(style), fx: 'panel' }),
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

/** Points that carry a symbol: all of a few; of a dense line about eight, at other places than the other lines' so that none hides another. */
function thinned(points: readonly Datum[], at: number, series: number): Datum[] {
  return Array.from(new Set(points.map(({ panel }) => panel))).flatMap((panel) => {
    const mine = points.filter((point) => point.panel === panel);
    const step = mine.length <= 30 ? 1 : Math.floor(mine.length / 8);
    return mine.filter((_, i) => i % step === Math.floor((at * step) / series) % step);
  });
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
export function rowsOf(chart: Chart, names: readonly Drawn[], document: Document) {
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
        ? { domain: names.map(({ name }) => name), axis: null, padding: 0.1 }
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

function barMarks(chart: Chart, data: readonly Datum[], names: readonly Drawn[]) {
  return [
    ...names.map(({ name, at }) =>
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

function dotMarks(data: readonly Datum[], names: readonly Drawn[], categories: readonly string[]) {
  return [
    Plot.ruleY(categories, { stroke: ink.grid }),
    ...names.map(({ name, at }) =>
      Plot.dot(
        data.filter(({ series }) => series === name),
        { ...dotOptions(seriesStyle(at)), x: 'y', y: 'x', fx: 'panel' },
      ),
    ),
  ];
}
