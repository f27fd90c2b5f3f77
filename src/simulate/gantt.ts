import { chartWidth, escapeText, ink, label, type Panel, picture } from '../moe/picture/frame.ts';
import type { Graph, Timeline } from './engine.ts';

const colours: Readonly<Record<string, string>> = {
  attention: ink.blue,
  projections: '#7fa0cf',
  'dense MLP': ink.muted,
  'shared experts': ink.purple,
  experts: ink.green,
  dispatch: ink.orange,
  combine: '#a8431f',
  planning: '#d9b13b',
  'attention back': '#5b7fb4',
  'attention weights': '#93add2',
  'experts back': '#57a07f',
  'experts weights': '#93c4ae',
  head: ink.grey,
  forward: ink.blue,
  backward: ink.green,
  'backward for inputs': '#6fae90',
  'backward for weights': ink.purple,
  'forward and backward': ink.orange,
};

/** Colour of a kind of task, the same in every picture. */
export const colourOf = (kind: string): string => colours[kind] ?? ink.grey;

/** A timeline to draw. */
export interface GanttOptions {
  readonly title: string;
  readonly subtitle: string;
  /** Streams to show, in order, each with its name. */
  readonly lanes: readonly { readonly stream: number; readonly name: string }[];
  /** From when to when, seconds. Default: all. */
  readonly window?: readonly [from: number, to: number];
  /** Name of the unit and how many of it are in one of the timeline's. */
  readonly unit: readonly [name: string, factor: number];
}

const laneHeight = 30;
const nameWidth = 170;

/** Streams as lanes, tasks as blocks, as SVG. The second micro-batch is paler. */
export function ganttPicture(graph: Graph, timeline: Timeline, options: GanttOptions): string {
  const [from, to] = options.window ?? [0, timeline.makespan];
  const scale = (chartWidth - nameWidth) / (to - from);
  const x = (time: number): number => nameWidth + (Math.min(to, Math.max(from, time)) - from) * scale;
  const lanes = new Map(options.lanes.map(({ stream }, row) => [stream, row]));
  const kinds = new Set<string>();
  const blocks: string[] = [];
  graph.stream.forEach((stream, task) => {
    const row = lanes.get(stream);
    const [start, end] = [timeline.start[task]!, timeline.end[task]!];
    if (row === undefined || end <= from || start >= to || end === start) return;
    kinds.add(graph.kind[task]!);
    blocks.push(block(x(start), x(end), row, graph.kind[task]!, graph.micro[task]!, end - start));
  });
  const height = options.lanes.length * laneHeight + 34;
  const names = options.lanes.map(({ name }, row) => label(0, row * laneHeight + 19, name, 11, ink.muted));
  const panel: Panel = {
    heading: `${((from + 0) * options.unit[1]).toFixed(1)} to ${(to * options.unit[1]).toFixed(1)} ${options.unit[0]} of ${(timeline.makespan * options.unit[1]).toFixed(1)}`,
    key: Array.from(kinds, (kind) => [colourOf(kind), kind] as const),
    height,
    chart: `<g>${names.join('')}${axis(from, to, x, options)}${blocks.join('')}</g>`,
  };
  return picture(options.title, options.subtitle, [panel]);
}

function block(left: number, right: number, row: number, kind: string, micro: number, seconds: number): string {
  const width = Math.max(0.4, right - left);
  const opacity = micro === 0 ? 1 : 0.55;
  const title = `<title>${escapeText(kind)}, micro-batch ${micro}: ${seconds.toPrecision(4)}</title>`;
  const stroke = width > 2 ? ` stroke="${ink.paper}" stroke-width="0.6"` : '';
  return `<rect x="${left.toFixed(2)}" y="${row * laneHeight + 4}" width="${width.toFixed(2)}" height="${laneHeight - 8}" rx="2" fill="${colourOf(kind)}" fill-opacity="${opacity}"${stroke}>${title}</rect>`;
}

function axis(from: number, to: number, x: (time: number) => number, { unit, lanes }: GanttOptions): string {
  const [, factor] = unit;
  const span = (to - from) * factor;
  const rough = span / 8;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough)!;
  const ticks: string[] = [];
  const bottom = lanes.length * laneHeight + 4;
  for (let at = Math.ceil((from * factor) / step) * step; at <= to * factor + 1e-9; at += step) {
    const place = x(at / factor).toFixed(1);
    ticks.push(`<line x1="${place}" x2="${place}" y1="0" y2="${bottom}" stroke="${ink.line}"/>`);
    ticks.push(
      label(Number(place), bottom + 16, Number(at.toPrecision(6)).toString(), 11, ink.muted, 'text-anchor="middle"'),
    );
  }
  return `${ticks.join('')}${label(chartWidth, bottom + 30, unit[0], 11, ink.muted, 'text-anchor="end"')}`;
}
