import { formatValue } from '../../../parity/lanes.ts';
import { type Child, s } from '../../ui/dom.ts';
import { type RoundingView, shortValue } from './model.ts';

const height = 150;
const axis = 92;
/** Least room between the middles of two labels. */
const labelRoom = 58;

/** The codes around x, the midpoint, x itself and where it went, in a picture of a width. */
export function numberLine(view: RoundingView, width = 640): SVGSVGElement | undefined {
  const { ticks, x } = view;
  if (ticks.length === 0) return undefined;
  const shown = [...ticks, ...(Math.abs(x) < 4 * Math.max(...ticks.map(Math.abs)) ? [x] : [])];
  const margin = width < 480 ? 30 : 56;
  const low = Math.min(...shown);
  const high = Math.max(...shown);
  const place = (value: number) => margin + ((width - 2 * margin) * (value - low)) / (high - low || 1);
  const labelled = labelsOf(ticks, view.value, place);
  const outside = x > high || x < low;
  const at = outside ? (x > high ? width - 14 : 14) : place(x);
  const said = `x = ${formatValue(x)} becomes ${formatValue(view.value)}: ${view.note}`;
  return s(
    'svg',
    { viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': said, class: 'number-line' },
    s('line', { x1: 8, x2: width - 8, y1: axis, y2: axis, stroke: 'var(--line-strong)', 'stroke-width': 1.5 }),
    ticks.map((tick) => tickMark(place(tick), tick, tick === view.value, labelled.includes(tick))),
    view.midpoint !== undefined && midpointMark(place(view.midpoint)),
    valueMark(at, x, outside, width),
    Number.isFinite(view.value) && view.value !== x && arrow(at, place(view.value)),
  );
}

/** The ticks whose labels have room: the chosen one first, then from the left. */
function labelsOf(ticks: readonly number[], chosen: number, place: (value: number) => number): number[] {
  const kept = ticks.filter((tick) => tick === chosen);
  for (const tick of ticks) {
    if (kept.every((other) => Math.abs(place(other) - place(tick)) >= labelRoom)) kept.push(tick);
  }
  return kept;
}

function tickMark(at: number, value: number, chosen: boolean, labelled: boolean): Child {
  return s(
    'g',
    {},
    s('line', {
      x1: at,
      x2: at,
      y1: axis - 10,
      y2: axis + 10,
      stroke: chosen ? 'var(--accent)' : 'var(--ink-2)',
      'stroke-width': chosen ? 3 : 1.5,
    }),
    labelled &&
      s(
        'text',
        {
          x: at,
          y: axis + 32,
          'text-anchor': 'middle',
          'font-size': 13,
          fill: chosen ? 'var(--accent)' : 'var(--ink-2)',
          'font-weight': chosen ? 700 : 400,
        },
        shortValue(value, 5),
      ),
  );
}

function midpointMark(at: number): Child {
  return s(
    'g',
    {},
    s('line', {
      x1: at,
      x2: at,
      y1: axis - 26,
      y2: axis + 6,
      stroke: 'var(--line-strong)',
      'stroke-width': 1.5,
      'stroke-dasharray': '3 3',
    }),
    s('text', { x: at, y: axis + 50, 'text-anchor': 'middle', 'font-size': 12, fill: 'var(--ink-2)' }, 'midpoint'),
  );
}

function valueMark(at: number, x: number, outside: boolean, width: number): Child {
  const anchor = at > width - 80 ? 'end' : at < 80 ? 'start' : 'middle';
  return s(
    'g',
    {},
    s('circle', { cx: at, cy: axis, r: 6.5, fill: 'var(--sign)' }),
    s(
      'text',
      { x: at, y: 22, 'text-anchor': anchor, 'font-size': 15, 'font-weight': 650, fill: 'var(--sign)' },
      `x = ${shortValue(x, 6)}${outside ? ' (far outside)' : ''}`,
    ),
    s('line', { x1: at, x2: at, y1: 30, y2: axis - 8, stroke: 'var(--sign)', 'stroke-width': 1.2 }),
  );
}

function arrow(from: number, to: number): Child {
  const top = 54;
  return s('path', {
    d: `M${from} ${axis - 8}C${from} ${top} ${to} ${top} ${to} ${axis - 13}m-4 -6l4 6l4 -6`,
    fill: 'none',
    stroke: 'var(--accent)',
    'stroke-width': 2,
  });
}
