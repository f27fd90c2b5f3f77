import { type Child, s } from '../../ui/dom.ts';

/** Bars with a line at their mean. */
export interface Bars {
  readonly label: string;
  readonly values: ArrayLike<number>;
  /** What stands under a bar; nothing where left out. */
  readonly name?: (at: number) => string;
  /** A bar that stands out, and the sign above it. */
  readonly mark?: (at: number) => string | undefined;
  /** Largest value of the axis: pictures side by side share it. */
  readonly most: number;
  readonly height?: number;
  readonly width?: number;
  /** A value that bars stand on or hang from, and what is said of it; default: they stand on 0, and a line says their mean. */
  readonly line?: { readonly at: number; readonly text: string };
}

const bottom = 22;
const head = 18;

/** A bar from where it stands to its end, whose corners are rounded, as a part of a path. */
function barPath(x: number, from: number, to: number, width: number): string {
  const round = Math.min(2, width / 2, Math.abs(to - from));
  const up = to < from ? -round : round;
  return `M${x} ${from}V${to - up}q0 ${up} ${round} ${up}h${width - 2 * round}q${round} 0 ${round} ${-up}V${from}z`;
}

/** A picture of loads. All bars that look alike are one path: the browser lays few elements out, however many experts there are. */
export function barPicture(bars: Bars): SVGSVGElement {
  const { label, values, name, mark, most, height = 170, width = 640 } = bars;
  const count = values.length;
  const room = height - bottom - head;
  const step = width / count;
  const gap = Math.min(4, step * 0.2);
  /** Names that would touch are left out, every other one. */
  const thinned = step < 46 ? 2 : 1;
  const mean = Array.from(values).reduce((sum, value) => sum + value, 0) / count;
  const tall = (value: number) => (room * value) / (most || 1);
  const line = bars.line ?? { at: mean, text: `mean ${Math.round(mean)}` };
  const lineAt = head + room - tall(line.at);
  let plain = '';
  let marked = '';
  const words: Child[] = [];
  for (let at = 0; at < count; at++) {
    const sign = mark?.(at);
    const x = at * step + gap / 2;
    const y = head + room - Math.max(tall(values[at]!), 0.5);
    const path = barPath(x, bars.line === undefined ? head + room : lineAt, y, step - gap);
    const center = x + (step - gap) / 2;
    const word = (place: number, top: number, kind: string, text: string) =>
      words.push(s('text', { x: place, y: top, 'text-anchor': 'middle', class: kind }, text));
    if (sign === undefined) plain += path;
    else {
      marked += path;
      word(Math.min(Math.max(center, 16), width - 16), y - 4, 'load-sign', sign);
    }
    if (name !== undefined && at % thinned === 0) word(center, height - 5, 'load-name', name(at));
  }
  return s(
    'svg',
    { viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': label, class: 'loads' },
    s('path', { d: plain, class: 'load' }),
    s('path', { d: marked, class: 'load marked' }),
    words,
    s('line', { x1: 0, x2: width, y1: lineAt, y2: lineAt, stroke: 'var(--ink-2)', 'stroke-dasharray': '4 3' }),
    // Beside the bars, where none can cover it.
    s(
      'text',
      { x: width - 2, y: name === undefined ? height - 6 : 12, 'text-anchor': 'end', class: 'load-name' },
      `┄ ${line.text}`,
    ),
  );
}
