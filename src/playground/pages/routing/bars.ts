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
}

const bottom = 22;

/** A picture of loads. */
export function barPicture({ label, values, name, mark, most, height = 170, width = 640 }: Bars): SVGSVGElement {
  const count = values.length;
  const room = height - bottom - 18;
  const step = width / count;
  const gap = Math.min(4, step * 0.2);
  /** Names that would touch are left out, every other one. */
  const thinned = step < 46 ? 2 : 1;
  const mean = Array.from(values).reduce((sum, value) => sum + value, 0) / count;
  const tall = (value: number) => (room * value) / (most || 1);
  const line = 18 + room - tall(mean);
  const bars = Array.from(values, (value, at): Child => {
    const sign = mark?.(at);
    const x = at * step + gap / 2;
    const middle = Math.min(Math.max(x + (step - gap) / 2, 16), width - 16);
    const y = 18 + room - tall(value);
    return s(
      'g',
      {},
      s('rect', {
        x,
        y,
        width: step - gap,
        height: Math.max(tall(value), 0.5),
        rx: 2,
        class: sign === undefined ? 'load' : 'load marked',
      }),
      sign !== undefined && s('text', { x: middle, y: y - 4, 'text-anchor': 'middle', class: 'load-sign' }, sign),
      name !== undefined &&
        at % thinned === 0 &&
        s('text', { x: x + (step - gap) / 2, y: height - 5, 'text-anchor': 'middle', class: 'load-name' }, name(at)),
    );
  });
  return s(
    'svg',
    { viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': label, class: 'loads' },
    bars,
    s('line', { x1: 0, x2: width, y1: line, y2: line, stroke: 'var(--ink-2)', 'stroke-dasharray': '4 3' }),
    s('text', { x: width - 2, y: line - 5, 'text-anchor': 'end', class: 'load-name' }, `mean ${Math.round(mean)}`),
  );
}
